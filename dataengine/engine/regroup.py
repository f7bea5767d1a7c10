"""Tables of even length out of rows that come in any pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def even_tables(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly `rows` rows, however they came; the last may be shorter."""
    pending: list[pa.Table] = []
    count = 0
    for table in tables:
        while count + table.num_rows >= rows:
            yield pa.concat_tables([*pending, table.slice(0, rows - count)])
            table = table.slice(rows - count)
            pending, count = [], 0
        pending.append(table)
        count += table.num_rows
    if count:
        yield pa.concat_tables(pending)
