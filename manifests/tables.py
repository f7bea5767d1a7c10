"""Reading and writing the Parquet tables of the data contract."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.errors import UserError
from manifests.flushing import flush
from manifests.media.source import is_local, local_path
from manifests.remote import open_filesystem, storage_errors
from manifests.schema import SCHEMA_KEY, SCHEMA_VERSION
from manifests.temporary import TemporaryFolder

ROW_GROUP_ROWS = 65_536


@contextmanager
def open_table(uri: str) -> Iterator[pq.ParquetFile]:
    """A table of the data contract, for reading in pieces.

    Raises UserError if it cannot be opened, or if it was written under a newer version of the contract.
    """
    filesystem, path = open_filesystem(uri)
    with ExitStack() as opened:
        try:
            with storage_errors(uri):
                file = opened.enter_context(filesystem.open(path, "rb"))
                table = opened.enter_context(_parquet_in(file, uri))
        except FileNotFoundError as error:
            raise UserError("there is no such table", where=uri) from error
        except OSError as error:
            raise UserError(f"this table cannot be opened: {error}", where=uri) from error
        check_version(table.schema_arrow, uri)
        yield table


def _parquet_in(file: Any, uri: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise UserError(f"this is no Parquet table: {error}", where=uri) from error


def read_table(uri: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole table, or some of its columns. Raises as `open_table` does."""
    with open_table(uri) as table:
        return table.read(columns=None if columns is None else list(columns))


def check_version(schema: pa.Schema, where: str) -> None:
    """Refuse a table without the contract's mark, or with a newer one than this version knows."""
    version = (schema.metadata or {}).get(SCHEMA_KEY)
    if version is None:
        raise UserError(
            "this table is not of dataengine's making; make a manifest with `dataengine index`", where=where
        )
    if not version.isdigit() or int(version) > int(SCHEMA_VERSION):
        raise UserError(
            f"the table has schema version {version.decode(errors='replace')} and this dataengine knows "
            f"{SCHEMA_VERSION}; update dataengine",
            where=where,
        )


@contextmanager
def writing(uri: str, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A table to write in pieces; it appears under its name when all is written, or not at all.

    Raises UserError as `check_place` does.
    """
    with _published(uri) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        yield writer


def write_table(uri: str, table: pa.Table) -> None:
    """Write a whole table; it appears complete or not at all."""
    with writing(uri, table.schema) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)


def check_place(uri: str) -> None:
    """Make the folder of a table that is to be written. Raises UserError where no file can be made there."""
    if not is_local(uri):
        open_filesystem(uri)
        return
    target = Path(local_path(uri))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"its folder cannot be made: {error.strerror}", where=uri) from error
    if target.is_dir():
        raise UserError("this is a folder; name a file in it", where=uri)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise UserError("its folder cannot be written to", where=uri)


@contextmanager
def _published(uri: str) -> Iterator[Path]:
    """A temporary file that takes its place when the block ends well."""
    if not is_local(uri):
        filesystem, path = open_filesystem(uri)
        with TemporaryFolder() as folder:
            temporary = folder / "table.parquet"
            yield temporary
            with storage_errors(uri):
                filesystem.put_file(str(temporary), path)
        return
    check_place(uri)
    target = Path(local_path(uri))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        flush(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
