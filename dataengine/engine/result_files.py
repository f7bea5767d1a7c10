"""Writing the files of results: from table `rows` of a database to `samples/` and `shards/`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.engine.database import quoted
from dataengine.engine.packing import assign_to_shards
from dataengine.engine.regroup import even_tables
from dataengine.engine.results import SAMPLES_FOLDER, SHARDS_FOLDER, Place, Results
from dataengine.engine.settings import PackSettings
from dataengine.engine.shard_writers import OpenWriters
from dataengine.engine.shards import SampleNotes

ROWS_A_SAMPLES_FILE = 500_000
ROWS_A_GROUP = 32_768
ROWS_A_READ = 8_192
DIGITS_IN_NAMES = 12

Progress = Callable[[str, int, int], None]
"""Called with what is being written, how much of it is done, and how much there is."""


def write_results(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    digest: str,
    epoch: int,
    pack: PackSettings,
    schema: pa.Schema,
    notes: SampleNotes,
    writers: OpenWriters,
    on_progress: Progress,
) -> Results:
    """Write the files that follow from table `rows`; those that exist already are left as they are.

    Args:
        connection: a database whose table `rows` has the columns of `schema`.
        place: where the files go.
        digest: of everything that `rows` and the settings are made from.
        epoch: of this driver.
        pack: how kept samples become shards.
        schema: of the samples table.
        notes: what goes into a sample's JSON.
        writers: who writes shards.
        on_progress: told how far it is.
    """
    assign_to_shards(connection, pack)
    short = digest[:DIGITS_IN_NAMES]
    packed, count = _one(connection, "SELECT count(shard), coalesce(any_value(shards), 0) FROM assignment")
    shards = [
        place.inside(f"{SHARDS_FOLDER}/shard-{number:06d}-of-{count:06d}-{short}.tar")
        for number in range(count if packed else 0)
    ]
    _write_shards(connection, place, shards, notes, writers, on_progress)
    (rows,) = _one(connection, "SELECT count(*) FROM rows")
    files = max(1, math.ceil(rows / ROWS_A_SAMPLES_FILE))
    samples = [place.inside(f"{SAMPLES_FOLDER}/{number:05d}-{short}.parquet") for number in range(files)]
    _write_samples(connection, place, samples, shards, schema, on_progress)
    left_out = connection.execute(
        "SELECT left_out, count(*) FROM assignment WHERE left_out IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return Results(
        digest=digest,
        epoch=epoch,
        samples=tuple(samples),
        shards=tuple(shards),
        packed=packed,
        left_out=dict(left_out),
        shard_bytes=sum(place.storage.size(name) for name in shards),
    )


def _write_shards(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    shards: list[str],
    notes: SampleNotes,
    writers: OpenWriters,
    on_progress: Progress,
) -> None:
    missing = _missing(place, SHARDS_FOLDER, shards)
    if not missing:
        return
    columns = ", ".join(f"rows.{quoted(name)}" for name in notes.columns)
    reader = connection.sql(
        f"SELECT assignment.shard AS number, {columns} FROM rows JOIN assignment USING (sample_id) "  # noqa: S608
        "WHERE list_contains(?, assignment.shard) ORDER BY assignment.position",
        params=[missing],
    ).to_arrow_reader(ROWS_A_READ)
    done = len(shards) - len(missing)
    under_way: deque[Callable[[], None]] = deque()
    with writers() as open_writers:
        for number, runs in groupby(_runs(reader), key=lambda run: run[0]):
            if len(under_way) == open_writers.at_a_time:
                under_way.popleft()()
                done += 1
                on_progress("shards", done, len(shards))
            rows = pa.concat_tables([table for _, table in runs])
            under_way.append(open_writers.begin(place, shards[number], rows, notes))
        for wait in under_way:
            wait()
    on_progress("shards", len(shards), len(shards))


def _runs(reader: pa.RecordBatchReader) -> Iterator[tuple[int, pa.Table]]:
    """Successive rows of the same `number`, as tables; a number may come several times in a row."""
    for batch in reader:
        encoded, start = pc.run_end_encode(batch.column("number")), 0
        for number, stop in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
            yield number, pa.Table.from_batches([batch.slice(start, stop - start)])
            start = stop


def _write_samples(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    samples: list[str],
    shards: list[str],
    schema: pa.Schema,
    on_progress: Progress,
) -> None:
    """Write the samples table, sorted by sample id, cut at fixed id prefixes into files of even size."""
    missing = _missing(place, SAMPLES_FOLDER, samples)
    if not missing:
        return
    starts = ["", *(f"{round(number * 2**64 / len(samples)):016x}" for number in range(1, len(samples)))]
    names = pa.table(
        {"number": pa.array(range(len(shards)), pa.int32()), "name": pa.array(shards, pa.string())}
    )
    connection.register("shard_names", names)
    # Models are the same for many rows and long: as codes they do not weigh on the sort.
    connection.execute("CREATE TYPE models AS ENUM (SELECT DISTINCT models FROM rows)")
    given = {
        "shard": "coalesce(shard_names.name, rows.shard)",
        "left_out": "coalesce(assignment.left_out, rows.left_out)",
        "models": "rows.models::models",
    }
    columns = ", ".join(
        f"{given.get(name, f'rows.{quoted(name)}')} AS {quoted(name)}" for name in schema.names
    )
    reader = connection.sql(
        f"SELECT {columns} FROM rows LEFT JOIN assignment USING (sample_id) "  # noqa: S608
        "LEFT JOIN shard_names ON assignment.shard = shard_names.number "
        "WHERE rows.sample_id >= ? ORDER BY rows.sample_id",
        params=[starts[missing[0]]],
    ).to_arrow_reader(ROWS_A_READ)
    tables = (pa.Table.from_batches([batch]).cast(schema) for batch in reader)
    by_number = groupby(_cut(tables, starts, missing[0]), key=lambda piece: piece[0])
    for number, pieces in by_number:
        if number in missing:
            _write_samples_file(place, samples[number], schema, (table for _, table in pieces))
            missing.remove(number)
            on_progress("samples", number + 1, len(samples))
    for number in missing:  # no id happens to fall there
        _write_samples_file(place, samples[number], schema, [])


def _cut(tables: Iterable[pa.Table], starts: list[str], number: int) -> Iterator[tuple[int, pa.Table]]:
    """Sorted rows, from file `number` on, each piece with the number of the file that it belongs to."""
    for table in tables:
        rest = table
        while number + 1 < len(starts):
            before = pc.sum(pc.less(rest.column("sample_id"), starts[number + 1])).as_py() or 0
            if before:
                yield number, rest.slice(0, before)
            rest = rest.slice(before)
            if not rest.num_rows:
                break
            number += 1
        if rest.num_rows:
            yield number, rest


def _write_samples_file(place: Place, name: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    with place.storage.temporary(name) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for group in even_tables(tables, ROWS_A_GROUP):
                writer.write_table(group)
        place.check()
        place.storage.publish(temporary, name)


def _missing(place: Place, folder: str, names: list[str]) -> list[int]:
    """Numbers of the files that are still to be written."""
    existing = set(place.storage.files(place.inside(folder)))
    return [number for number, name in enumerate(names) if name not in existing]


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    (row,) = connection.execute(query).fetchall()
    return tuple(row)
