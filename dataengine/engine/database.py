"""DuckDB for tables that do not fit in memory."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from dataengine.engine.storage import Storage
from manifests.temporary import TemporaryFolder

MEMORY_LIMIT = "2GB"
"""What a query may hold before it spills to disk."""


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database that spills to a folder of its own, gone when the block ends."""
    with TemporaryFolder() as spill, duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"SET temp_directory = '{str(spill).replace(chr(39), chr(39) * 2)}'")
        yield connection


def view_tables(
    connection: duckdb.DuckDBPyConnection, view: str, storage: Storage, names: Sequence[str]
) -> None:
    """Show Parquet files of the same columns as one view."""
    if not storage.is_local and not connection.filesystem_is_registered(storage.root.partition("://")[0]):
        connection.register_filesystem(storage.filesystem)
    connection.read_parquet([full_name(storage, name) for name in names]).create_view(view)


def full_name(storage: Storage, name: str) -> str:
    """A file's name as DuckDB opens it: a path is a pattern to it."""
    return glob.escape(storage.path(name)) if storage.is_local else f"{storage.root}/{name}"


def quoted(column: str) -> str:
    """A column's name as SQL spells it, whatever characters it has."""
    return '"' + column.replace('"', '""') + '"'
