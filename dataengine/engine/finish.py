"""Finishing a run: parts become `samples/`, kept audio becomes `shards/`.

Everything here is derived from the parts and can be done again at any time with the same result. Rows
are joined and sorted by DuckDB, which spills to disk, so memory does not grow with the run.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from pyarrow.fs import FSSpecHandler, PyFileSystem

from dataengine.engine.footers import read_footers
from dataengine.engine.job import Job
from dataengine.engine.packing import assign_to_shards
from dataengine.engine.parts import PARTS_FOLDER, Counts, Part, committed_parts
from dataengine.engine.settings import PackSettings
from dataengine.engine.shards import SHARDS_FOLDER, SampleNotes, shard_name, write_shard
from dataengine.engine.slice_work import StageWork, work_rows
from dataengine.engine.storage import TEMPORARY_SUFFIX, Storage
from manifests.identity import digest_of_ids, stable_hash

SAMPLES_FOLDER = "samples"
FINISH_FILE = "finish.json"
WORK_FILE = "log/work.parquet"
ROWS_A_SAMPLES_FILE = 500_000
ROWS_A_READ = 8_192


@dataclass(frozen=True)
class Finished:
    """What the run holds in the end."""

    counts: Counts
    packed: int
    left_out: dict[str, int]
    shards: int
    shard_bytes: int


def finish(job: Job, pack: PackSettings, on_progress: Callable[[str, int, int], None]) -> Finished:
    """Build `samples/`, `shards/` and `log/work.parquet` from the committed parts.

    Args:
        job: the run's job.
        pack: its `pack:` section.
        on_progress: called with what is being written, how much of it is done, and how much there is.
    """
    storage = job.storage
    parts = list(committed_parts(storage))
    _forget_other_results(storage, _finish_digest(parts, pack))
    _remove_debris(storage, parts)
    counts = _gather_work(storage)
    with _rows_of(storage, parts) as connection:
        assignment = assign_to_shards(_kept(connection, pack), pack)
        shards = _write_shards(job, connection, assignment, on_progress)
        _write_samples(job, connection, on_progress)
    left_out = assignment["left_out"].value_counts()
    return Finished(
        counts=counts,
        packed=int(assignment["left_out"].isna().sum()),
        left_out={str(reason): int(n) for reason, n in left_out.items()},
        shards=shards,
        shard_bytes=sum(storage.size(name) for name in storage.files(SHARDS_FOLDER, ".tar")),
    )


def _finish_digest(parts: list[Part], pack: PackSettings) -> str:
    return stable_hash("finish", digest_of_ids(part.name for part in parts), pack.model_dump_json())


def _forget_other_results(storage: Storage, digest: str) -> None:
    """Clear tables and shards that were made from other parts or other settings."""
    wanted = json.dumps({"digest": digest}).encode()
    if storage.exists(FINISH_FILE) and storage.read(FINISH_FILE) == wanted:
        return
    storage.remove(SHARDS_FOLDER)
    storage.remove(SAMPLES_FOLDER)
    storage.replace(FINISH_FILE, wanted)


def _remove_debris(storage: Storage, parts: list[Part]) -> None:
    """Remove tars that no part names, and files that were never published; their writers are gone."""
    stems = {part.name.removesuffix(".parquet") for part in parts}
    for name in storage.files(PARTS_FOLDER):
        orphan = name.endswith(".tar") and name.rsplit("-", 1)[0] not in stems
        if orphan or name.endswith(TEMPORARY_SUFFIX):
            storage.remove(name)


def _gather_work(storage: Storage) -> Counts:
    """Write what was done and how long it took as one table; returns the figures of all parts together."""
    counts, work = Counts(), list[StageWork]()
    for footer in read_footers(storage):
        counts += footer.counts
        work.extend(footer.work)
    table = pa.Table.from_pylist(work_rows(work)) if work else pa.table({})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    storage.replace(WORK_FILE, sink.getvalue().to_pybytes())
    return counts


@contextmanager
def _rows_of(storage: Storage, parts: list[Part]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the rows of all parts as table `parts`."""
    filesystem = None if storage.is_local else PyFileSystem(FSSpecHandler(storage.filesystem))
    rows = pads.dataset([storage.path(part.name) for part in parts], filesystem=filesystem, format="parquet")
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET temp_directory = '{spill}'")
        connection.register("parts", rows)
        yield connection


def _kept(connection: duckdb.DuckDBPyConnection, pack: PackSettings) -> pd.DataFrame:
    fingerprint = f', "{pack.near_duplicate_column}"' if pack.near_duplicate_column else ""
    return connection.execute(
        f"SELECT sample_id, text, never_train, audio_bytes{fingerprint} FROM parts "  # noqa: S608
        "WHERE kept AND audio_offset IS NOT NULL"
    ).df()


def _write_shards(
    job: Job,
    connection: duckdb.DuckDBPyConnection,
    assignment: pd.DataFrame,
    on_progress: Callable[[str, int, int], None],
) -> int:
    """Write the shards that do not exist yet; returns how many there are."""
    packed = assignment[assignment["left_out"].isna()]
    count = int(packed["shard"].max()) + 1 if len(packed) else 0
    names = [shard_name(number, count) if number >= 0 else None for number in assignment["shard"]]
    connection.register(
        "assignment",
        assignment.assign(
            shard_name=pd.array(names, dtype="string"), left_out=assignment["left_out"].astype("string")
        ),
    )
    notes = SampleNotes.of(job)
    reader = connection.sql(
        "SELECT parts.*, assignment.shard AS shard_number FROM parts JOIN assignment USING (sample_id) "
        "WHERE assignment.shard >= 0 ORDER BY assignment.position"
    ).to_arrow_reader(ROWS_A_READ)
    for done, (number, rows) in enumerate(_runs(reader, "shard_number"), start=1):
        write_shard(job.storage, shard_name(number, count), rows, notes)
        on_progress("shards", done, count)
    return count


def _runs(reader: pa.RecordBatchReader, column: str) -> Iterator[tuple[int, pa.Table]]:
    """Successive rows with the same value in `column`, as one table each."""
    pending: list[pa.Table] = []
    current: int | None = None
    for batch in reader:
        table = pa.Table.from_batches([batch])
        values = table.column(column).to_numpy()
        start = 0
        while start < len(values):
            stop = start + int((values[start:] == values[start]).argmin() or len(values) - start)
            if current is not None and values[start] != current:
                yield current, pa.concat_tables(pending)
                pending = []
            current = int(values[start])
            pending.append(table.slice(start, stop - start))
            start = stop
    if current is not None:
        yield current, pa.concat_tables(pending)


def _write_samples(
    job: Job, connection: duckdb.DuckDBPyConnection, on_progress: Callable[[str, int, int], None]
) -> None:
    """Write the samples table, sorted by sample id, cut at fixed id prefixes into files of even size."""
    (total,) = connection.execute("SELECT count(*) FROM parts").fetchall()[0]
    files = max(1, math.ceil(total / ROWS_A_SAMPLES_FILE))
    places = {
        "shard": "coalesce(assignment.shard_name, parts.shard)",
        "left_out": "assignment.left_out",
    }
    columns = ", ".join(
        f'{places.get(name, f"parts.{chr(34)}{name}{chr(34)}")} AS "{name}"'
        for name in job.sample_schema.names
    )
    for number in range(files):
        bounds = [f"{round(k * 2**64 / files):016x}" if k < files else "g" for k in (number, number + 1)]
        reader = connection.sql(
            f"SELECT {columns} FROM parts LEFT JOIN assignment USING (sample_id) "  # noqa: S608
            "WHERE parts.sample_id >= ? AND parts.sample_id < ? ORDER BY parts.sample_id",
            params=bounds,
        ).to_arrow_reader(ROWS_A_READ)
        _write_samples_file(job, f"{SAMPLES_FOLDER}/{number:05d}.parquet", reader)
        on_progress("samples", number + 1, files)


def _write_samples_file(job: Job, name: str, reader: pa.RecordBatchReader) -> None:
    with job.storage.temporary(name) as temporary:
        with pq.ParquetWriter(temporary, job.sample_schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_table(pa.Table.from_batches([batch]).cast(job.sample_schema), ROWS_A_READ)
        job.storage.publish(temporary, name)
