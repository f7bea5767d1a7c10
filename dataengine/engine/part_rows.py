"""The rows of all parts as one table, in which each unit comes from one attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from dataengine.engine.attempts import attempts_of
from dataengine.engine.database import database, view_tables
from dataengine.engine.footers import Footer
from dataengine.engine.parts import Counts, PartFolder, part_folders
from dataengine.engine.slice_work import INDEX_STAGE
from dataengine.engine.storage import Storage
from manifests.schema import KIND_UNIT, STATUS_DONE, STATUS_EMPTY, STATUS_FAILED

SUPERSEDED = f"""
CREATE TABLE superseded AS
WITH repeated AS (
    SELECT DISTINCT unit_id FROM parts WHERE slice >= $first_attempt
), attempts AS (
    SELECT unit_id, slice,
           bool_or(kind = '{KIND_UNIT}' AND status = '{STATUS_FAILED}') AS unit_failed,
           count(*) FILTER (status = '{STATUS_FAILED}') AS failed
    FROM parts SEMI JOIN repeated USING (unit_id) GROUP BY ALL
), ranked AS (
    SELECT unit_id, slice,
           row_number() OVER (PARTITION BY unit_id ORDER BY unit_failed, failed, slice DESC) AS rank
    FROM attempts
)
SELECT unit_id, slice FROM ranked WHERE rank > 1
"""  # noqa: S608
"""Of the attempts at a unit one counts: not one in which the whole unit failed if there is another, then
the one with the fewest failed rows, then the newest."""

COUNTS = f"""
WITH counted AS (SELECT * FROM parts SEMI JOIN superseded USING (unit_id, slice)),
per_attempt AS (SELECT any_value(duration) AS duration FROM counted GROUP BY unit_id, slice)
SELECT (SELECT count(*) FROM per_attempt) AS units,
       count(*) FILTER (status = '{STATUS_EMPTY}') AS empty,
       count(*) FILTER (status = '{STATUS_DONE}' AND kind <> '{KIND_UNIT}') AS candidates,
       count(*) FILTER (kept) AS kept,
       count(*) FILTER (retained AND NOT kept) AS retained,
       count(*) FILTER (status = '{STATUS_DONE}' AND kind <> '{KIND_UNIT}' AND NOT kept) AS rejected,
       count(*) FILTER (status = '{STATUS_FAILED}') AS failed,
       coalesce((SELECT sum(duration) FROM per_attempt), 0.0) AS audio_seconds,
       coalesce(sum(duration) FILTER (kept), 0.0) AS kept_seconds
FROM counted
"""  # noqa: S608
"""The fields of `Counts` of what is superseded."""


@contextmanager
def part_rows(storage: Storage, folders: Sequence[PartFolder]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database as `show_part_rows` leaves it."""
    with database() as connection:
        show_part_rows(connection, storage, folders)
        yield connection


def show_part_rows(
    connection: duckdb.DuckDBPyConnection, storage: Storage, folders: Sequence[PartFolder]
) -> None:
    """Add `parts`, all rows of these parts, `superseded`, the attempts that do not count, and `rows`, the others."""
    view_tables(connection, "parts", storage, [name for folder in folders for name in folder.tables])
    attempts = attempts_of(storage)
    if attempts:
        connection.execute(SUPERSEDED, {"first_attempt": attempts[0].first_slice})
    else:
        connection.execute("CREATE TABLE superseded (unit_id VARCHAR, slice INTEGER)")
    those_that_count = "ANTI JOIN superseded USING (unit_id, slice)" if attempts else ""
    connection.execute(f"CREATE VIEW rows AS SELECT * EXCLUDE (slice) FROM parts {those_that_count}")  # noqa: S608


def superseded_counts(connection: duckdb.DuckDBPyConnection) -> Counts:
    """What the attempts hold that do not count."""
    (row,) = connection.sql(COUNTS).to_arrow_table().to_pylist()
    return Counts(**row)


def counts_so_far(storage: Storage, footers: Iterable[Footer]) -> Counts:
    """The figures of a run's parts with these footers, each unit counted once."""
    total = sum((footer.counts for footer in footers), Counts())
    folders = part_folders(storage)
    if not any(folder.tables for folder in folders) or not attempts_of(storage):
        return total
    with part_rows(storage, folders) as connection:
        return total - superseded_counts(connection)


def failed_units(storage: Storage) -> tuple[pa.Array, int]:
    """Ids of units with a row that failed at a stage, and the number of those that the index could not read."""
    folders = part_folders(storage)
    if not any(folder.tables for folder in folders):
        return pa.array([], pa.string()), 0
    with part_rows(storage, folders) as connection:
        ids = connection.sql(
            "SELECT DISTINCT unit_id FROM rows WHERE status = ? AND stage <> ?",
            params=[STATUS_FAILED, INDEX_STAGE],
        ).to_arrow_table()
        ((unreadable,),) = connection.execute(
            "SELECT count(*) FROM rows WHERE status = ? AND stage = ?", [STATUS_FAILED, INDEX_STAGE]
        ).fetchall()
    return ids.column("unit_id").combine_chunks(), unreadable
