"""Tables as bytes, for other processes. A pickled table that is a piece of another holds all of that other."""

from __future__ import annotations

import pyarrow as pa


def to_stream(table: pa.Table) -> bytes:
    """The table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_stream(stream: bytes | pa.Buffer) -> pa.Table:
    """The table that `to_stream` was given; its columns are views of the bytes."""
    return pa.ipc.open_stream(stream).read_all()
