"""The rows of all parts as one table, in which each unit comes from one attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from dataengine.engine.attempts import attempts_of
from dataengine.engine.database import database, view_tables
from dataengine.engine.footers import Footer
from dataengine.engine.parts import Counts, Part, committed_parts
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
SELECT (SELECT count(*) FROM per_attempt),
       count(*) FILTER (status = '{STATUS_EMPTY}'),
       count(*) FILTER (status = '{STATUS_DONE}' AND kind <> '{KIND_UNIT}'),
       count(*) FILTER (kept),
       count(*) FILTER (retained AND NOT kept),
       count(*) FILTER (status = '{STATUS_DONE}' AND kind <> '{KIND_UNIT}' AND NOT kept),
       count(*) FILTER (status = '{STATUS_FAILED}'),
       coalesce((SELECT sum(duration) FROM per_attempt), 0.0),
       coalesce(sum(duration) FILTER (kept), 0.0)
FROM counted
"""  # noqa: S608
"""The fields of `Counts`, in order, of what is superseded."""


@contextmanager
def part_rows(storage: Storage, parts: Sequence[Part]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database as `show_part_rows` leaves it."""
    with database() as connection:
        show_part_rows(connection, storage, parts)
        yield connection


def show_part_rows(connection: duckdb.DuckDBPyConnection, storage: Storage, parts: Sequence[Part]) -> None:
    """Add `parts`, all rows of these parts, `superseded`, the attempts that do not count, and `rows`, the others."""
    view_tables(connection, "parts", storage, [part.name for part in parts])
    attempts = attempts_of(storage)
    if attempts:
        connection.execute(SUPERSEDED, {"first_attempt": attempts[0].first_slice})
    else:
        connection.execute("CREATE TABLE superseded (unit_id VARCHAR, slice INTEGER)")
    those_that_count = "ANTI JOIN superseded USING (unit_id, slice)" if attempts else ""
    connection.execute(f"CREATE VIEW rows AS SELECT * EXCLUDE (slice) FROM parts {those_that_count}")  # noqa: S608


def superseded_counts(connection: duckdb.DuckDBPyConnection) -> Counts:
    """What the attempts hold that do not count."""
    (row,) = connection.execute(COUNTS).fetchall()
    return Counts(*row)


def counts_so_far(storage: Storage, footers: Iterable[Footer]) -> Counts:
    """The figures of a run's parts with these footers, each unit counted once."""
    total = sum((footer.counts for footer in footers), Counts())
    parts = list(committed_parts(storage))
    if not parts or not attempts_of(storage):
        return total
    with part_rows(storage, parts) as connection:
        return total - superseded_counts(connection)


def failed_units(storage: Storage) -> tuple[pa.Array, int]:
    """Ids of units with a row that failed at a stage, and the number of those that the index could not read."""
    parts = list(committed_parts(storage))
    if not parts:
        return pa.array([], pa.string()), 0
    with part_rows(storage, parts) as connection:
        ids = connection.sql(
            "SELECT DISTINCT unit_id FROM rows WHERE status = ? AND stage <> ?",
            params=[STATUS_FAILED, INDEX_STAGE],
        ).to_arrow_table()
        ((unreadable,),) = connection.execute(
            "SELECT count(*) FROM rows WHERE status = ? AND stage = ?", [STATUS_FAILED, INDEX_STAGE]
        ).fetchall()
    return ids.column("unit_id").combine_chunks(), unreadable
