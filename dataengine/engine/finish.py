"""Finishing a run: parts become `samples/`, kept audio becomes `shards/`.

Everything here is derived from the parts and can be done again at any time with the same result, byte for
byte, however often it is interrupted. `finish.json` names the files that count; it is written last. Rows
are joined and sorted by DuckDB, which spills to disk, so memory does not grow with the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.engine.attempts import attempts_of, planned_slices
from dataengine.engine.compaction import compact
from dataengine.engine.database import database
from dataengine.engine.footers import read_footers
from dataengine.engine.job import Job
from dataengine.engine.lease import SECONDS_UNTIL_STALE
from dataengine.engine.part_rows import show_part_rows, superseded_counts
from dataengine.engine.parts import COMPACTED_FOLDER, PARTS_FOLDER, Counts, PartFolder, part_folders
from dataengine.engine.plan import plan_schema
from dataengine.engine.result_files import Progress, write_results
from dataengine.engine.results import Place, Results
from dataengine.engine.settings import PackSettings
from dataengine.engine.shard_writers import OpenWriters
from dataengine.engine.shards import SampleNotes
from dataengine.engine.slice_work import StageWork, work_rows
from dataengine.engine.storage import TEMPORARY_SUFFIX, Storage
from manifests.identity import digest_of_ids, stable_hash

FINISH_FILE = "finish.json"
WORK_FILE = "log/work.parquet"
WORK_SCHEMA = pa.schema(
    [
        (field.name, {"int": pa.int64(), "float": pa.float64(), "str": pa.string()}[str(field.type)])
        for field in fields(StageWork)
    ]
)
FOOTERS_A_GROUP = 1024
FOLDERS_OF_DRIVERS = ("", "lease", "log", "log/drivers", "log/events", "plan", "report")
"""Where drivers write files anew while they work, and may be killed in the middle of one. Others may be at it now:
what is old is removed."""
LAYOUT = "2"
"""Of the files that finishing writes: another number makes them anew."""


@dataclass(frozen=True)
class Finished:
    """What the run holds in the end."""

    counts: Counts
    results: Results


def finish(
    job: Job,
    slices: int,
    pack: PackSettings,
    writers: OpenWriters,
    on_progress: Progress,
    check: Callable[[], None],
) -> Finished:
    """Build `samples/`, `shards/` and `log/work.parquet` from the committed parts.

    Args:
        job: the run's job.
        slices: how many slices were planned at the start.
        pack: the run's `pack:` section.
        writers: who writes shards.
        on_progress: called with what is being written, how much of it is done, and how much there is.
        check: called before a file is published or removed; raises if another driver has taken the run over.

    Raises:
        LeaseLostError: another driver has finished the run meanwhile.
    """
    storage = job.storage
    compact(storage, check)
    with database() as connection:
        # Debris is listed before completeness is looked at: no writer of a file that was there when every
        # slice was committed can commit any more.
        _list_loose_files(storage, connection)
        folders = part_folders(storage)
        show_part_rows(connection, storage, folders)
        place = Place(storage, "", FINISH_FILE, check)
        digest = _digest(storage, folders, pack)
        finished = _finished_before(place, digest)
        if finished is not None:
            place.remove_others(finished.results)
        else:
            finished = _build(job, pack, writers, place, digest, connection, on_progress)
        if _is_complete(storage, slices, folders):
            _remove_debris(storage, connection, check)
    return finished


def _digest(storage: Storage, folders: Sequence[PartFolder], pack: PackSettings) -> str:
    ids = (f"{part.slice} {part.part_id}" for folder in folders for part in folder.all_parts(storage))
    return stable_hash("finish", LAYOUT, digest_of_ids(ids), pack.model_dump_json())


def _finished_before(place: Place, digest: str) -> Finished | None:
    """What an earlier finish made of the same parts, if all of it is there."""
    pointer = place.read_pointer()
    if pointer is None or not place.storage.exists(WORK_FILE):
        return None
    facts = json.loads(pointer)
    results = Results.of(facts)
    if results.digest != digest or not results.are_whole(place.storage):
        return None
    return Finished(Counts(**facts["counts"]), results)


def _build(
    job: Job,
    pack: PackSettings,
    writers: OpenWriters,
    place: Place,
    digest: str,
    connection: duckdb.DuckDBPyConnection,
    on_progress: Progress,
) -> Finished:
    before = place.read_pointer()
    counts = _gather_work(job.storage, place.check) - superseded_counts(connection)
    notes = SampleNotes.of(job.sample_schema, plan_schema(job.storage), job.sample_rate)
    results = write_results(
        connection, place, digest, job.epoch, pack, job.sample_schema, notes, writers, on_progress
    )
    place.point(before, results, {"counts": asdict(counts)})
    return Finished(counts, results)


def _is_complete(storage: Storage, slices: int, folders: Sequence[PartFolder]) -> bool:
    numbers = (part.slice for folder in folders for part in folder.all_parts(storage))
    done = np.fromiter(numbers, dtype=np.int64)
    return not len(np.setdiff1d(planned_slices(slices, attempts_of(storage)), done))


def _list_loose_files(storage: Storage, connection: duckdb.DuckDBPyConnection) -> None:
    """Make table `loose`, the names of all tars of parts and of files that were never published."""
    connection.execute("CREATE TABLE loose (name VARCHAR)")
    for place in (
        COMPACTED_FOLDER,
        *(f"{PARTS_FOLDER}/{folder}" for folder in storage.folders(PARTS_FOLDER)),
    ):
        found = [name for name in storage.files(place) if name.endswith((".tar", TEMPORARY_SUFFIX))]
        connection.execute("INSERT INTO loose SELECT unnest(?)", [found])
    for folder in FOLDERS_OF_DRIVERS:
        connection.execute(
            "INSERT INTO loose SELECT unnest(?)", [storage.unpublished(folder, SECONDS_UNTIL_STALE)]
        )


def _remove_debris(
    storage: Storage, connection: duckdb.DuckDBPyConnection, check: Callable[[], None]
) -> None:
    """Remove loose files that no part names."""
    unnamed = connection.execute(
        "SELECT name FROM loose ANTI JOIN (SELECT DISTINCT part_tar AS name FROM parts) USING (name)"
    ).fetchall()
    for (name,) in unnamed:
        check()
        storage.remove(name)


def _gather_work(storage: Storage, check: Callable[[], None]) -> Counts:
    """Write what was done and how long it took as one table; returns the figures of all parts together."""
    counts, footers = Counts(), read_footers(storage)
    with storage.temporary(WORK_FILE) as temporary:
        with pq.ParquetWriter(temporary, WORK_SCHEMA, compression="zstd") as writer:
            while some := list(islice(footers, FOOTERS_A_GROUP)):
                counts = sum((footer.counts for footer in some), counts)
                work = work_rows([entry for footer in some for entry in footer.work])
                writer.write_table(pa.Table.from_pylist(work, WORK_SCHEMA))
        check()
        storage.replace(WORK_FILE, temporary.read_bytes())
    return counts
