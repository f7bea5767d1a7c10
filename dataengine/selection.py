"""Selecting anew from a run: other criteria on stored scores, other shards, and no model.

A selection lies beside the run's own results, in `selections/<name>/`, and leaves them alone.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.engine.database import database, view_tables
from dataengine.engine.lease import Lease
from dataengine.engine.plan import plan_schema
from dataengine.engine.result_files import Progress, write_results
from dataengine.engine.results import Place, Results
from dataengine.engine.settings import PackSettings
from dataengine.engine.shard_writers import writers_here
from dataengine.engine.shards import SampleNotes
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.report.run_directory import SELECTION_FILE, SELECTIONS_FOLDER, RunDirectory
from dataengine.run_files import PIPELINE_FILE
from dataengine.validation import suggestion
from dataengine.yaml_source import parse_located
from manifests.identity import stable_hash
from manifests.schema import KIND_UNIT, STATUS_DONE
from manifests.temporary import TemporaryFolder
from stages.criteria import FilterFile, decide, load_filter_file

LEFT_OUT_NO_AUDIO = "no_audio"
ROWS_A_READ = 131_072

VERDICT_SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("kept", pa.bool_()),
        ("failed_criteria", pa.list_(pa.string())),
        ("left_out", pa.string()),
    ]
)

SELECTED_ROWS = """
CREATE VIEW rows AS
SELECT samples.* REPLACE (
    coalesce(verdicts.kept, false) AS kept,
    samples.retained OR (samples.kept AND samples.part_tar IS NOT NULL) AS retained,
    CASE WHEN verdicts.sample_id IS NULL THEN samples.failed_criteria
         ELSE verdicts.failed_criteria END AS failed_criteria,
    verdicts.left_out AS left_out,
    samples.part_tar AS shard
)
FROM samples LEFT JOIN verdicts USING (sample_id)
"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Tally:
    """Verdicts of a selection against the run's own."""

    candidates: int = 0
    kept: int = 0
    gained: int = 0
    """Kept now, and not by the run."""
    lost: int = 0
    """Kept by the run, and not now."""
    no_audio: int = 0
    """Would be kept, had their audio been stored."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(mine + others for mine, others in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Selection:
    """What a selection came to; also `selection.json`."""

    name: str
    folder: str
    """Path or URL."""
    filters: dict[str, Any]
    """The filter file's content."""
    created: float
    """Unix time."""
    tally: Tally
    results: Results


def select(
    run_dir: str | Path, filter_file: str | Path, name: str | None = None, on_progress: Progress | None = None
) -> Selection:
    """Decide anew which of a run's candidates are kept, and pack those.

    Every candidate that was judged is held against `criteria:` of the filter file; a score that the run has
    not computed passes nothing. A candidate that passes and whose audio was not stored is not kept, and
    `left_out` says why. `retain:` and `audit_share:` play no part: what was not stored cannot be retained.

    Args:
        run_dir: a finished run.
        filter_file: a file as in `conf/filters/`.
        name: of the selection; default: the filter file's name.
        on_progress: told what is being written.

    Raises:
        UserError: the run is not finished or at work, the filter file asks for a score that the run lacks,
            or there is another selection of this name.
    """
    run = RunDirectory.at(run_dir)
    name = Path(filter_file).stem if name is None else name
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot name a selection; use letters, digits, dots, - and _")
    if run.results is None:
        raise UserError("this run is not finished; finish it with `dataengine run` first", where=str(run_dir))
    filters = load_filter_file(str(filter_file), run.columns)
    _refuse_missing(filters, run, str(filter_file))
    pack = _pack_settings(run)
    digest = stable_hash(
        "selection",
        run.results.digest,
        json.dumps(filters.identity(), sort_keys=True),
        pack.model_dump_json(),
    )
    with Lease(run.storage) as lease:
        place = Place(
            run.storage,
            f"{SELECTIONS_FOLDER}/{name}",
            f"{SELECTIONS_FOLDER}/{name}/{SELECTION_FILE}",
            lease.check,
        )
        before = place.read_pointer()
        if before is not None and (made := _made_before(place, before, digest, name)):
            return made
        created = time.time()
        tally, results = _select(
            run, filters, pack, place, digest, lease.holder.epoch, on_progress or (lambda *_: None)
        )
        facts = {
            "name": name,
            "created": created,
            "filters": filters.model_dump(mode="json"),
            "filters_digest": stable_hash(json.dumps(filters.identity(), sort_keys=True)),
            "tally": asdict(tally),
        }
        place.point(before, results, facts)
    return _selection(place, {**facts, **asdict(results)})


def decide_anew(
    storage: Storage, samples: tuple[str, ...], filters: FilterFile, sink: Callable[[pa.Table], None]
) -> Tally:
    """Hold all candidates of a samples table against criteria; `sink` gets the verdicts, piece by piece."""
    tally = Tally()
    for batch in _candidates(storage, samples, filters.columns):
        decision = decide(filters.criteria, {n: batch.column(n) for n in filters.columns}, batch.num_rows)
        passed = decision.passed
        kept_before = np.asarray(batch.column("kept"))
        stored = np.asarray(pc.is_valid(batch.column("audio_bytes")))
        no_audio = passed & ~stored & ~kept_before
        kept = passed & ~no_audio
        sink(
            pa.Table.from_arrays(
                [
                    batch.column("sample_id"),
                    pa.array(kept),
                    decision.failed_names(),
                    pc.if_else(pa.array(no_audio), LEFT_OUT_NO_AUDIO, pa.scalar(None, pa.string())),
                ],
                schema=VERDICT_SCHEMA,
            )
        )
        every = np.ones(batch.num_rows, dtype=bool)
        counted = (every, kept, kept & ~kept_before, kept_before & ~kept, no_audio)
        tally += Tally(*(int(mask.sum()) for mask in counted))
    return tally


def _candidates(
    storage: Storage, samples: tuple[str, ...], columns: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    names = list(dict.fromkeys(("sample_id", "status", "kind", "kept", "audio_bytes", *columns)))
    for name in samples:
        with storage.open(name) as file:
            for batch in pq.ParquetFile(file).iter_batches(ROWS_A_READ, columns=names):
                judged = pc.and_(
                    pc.equal(batch.column("status"), STATUS_DONE),
                    pc.not_equal(batch.column("kind"), KIND_UNIT),
                )
                yield batch.filter(judged)


def _select(
    run: RunDirectory,
    filters: FilterFile,
    pack: PackSettings,
    place: Place,
    digest: str,
    epoch: int,
    on_progress: Progress,
) -> tuple[Tally, Results]:
    assert run.results is not None
    with run.storage.open(run.results.samples[0]) as file:
        schema = pq.read_schema(file)
    notes = SampleNotes.of(schema, plan_schema(run.storage), run.facts["pipeline"]["sample_rate"])
    with TemporaryFolder() as folder, database() as connection:
        verdicts = str(folder / "verdicts.parquet")
        with pq.ParquetWriter(verdicts, VERDICT_SCHEMA, compression="lz4") as writer:
            tally = decide_anew(run.storage, run.results.samples, filters, writer.write_table)
        view_tables(connection, "samples", run.storage, run.results.samples)
        connection.read_parquet(verdicts).create_view("verdicts")
        connection.execute(SELECTED_ROWS)
        return tally, write_results(
            connection, place, digest, epoch, pack, schema, notes, writers_here, on_progress
        )


def _refuse_missing(filters: FilterFile, run: RunDirectory, where: str) -> None:
    missing = [name for name in filters.columns if name not in run.columns]
    if missing:
        named = ", ".join(f"{name!r}{suggestion(name, run.columns)}" for name in missing)
        raise UserError(f"the criteria ask for what this run did not compute: {named}", where=where)


def _pack_settings(run: RunDirectory) -> PackSettings:
    pipeline = parse_located(run.pipeline_text, run.storage.path(PIPELINE_FILE)).data
    return PackSettings.model_validate(pipeline["pack"])


def _made_before(place: Place, pointer: bytes, digest: str, name: str) -> Selection | None:
    """The same selection, made earlier; None if files of it are missing. Raises UserError if it is another."""
    facts = json.loads(pointer)
    results = Results.of(facts)
    if results.digest != digest:
        raise UserError(
            f"there is a selection {name!r} already, by other criteria or of other samples; choose another --name",
            where=place.storage.path(place.folder),
        )
    return _selection(place, facts) if results.are_whole(place.storage) else None


def _selection(place: Place, facts: dict[str, Any]) -> Selection:
    return Selection(
        facts["name"],
        place.storage.path(place.folder),
        facts["filters"],
        facts["created"],
        Tally(**facts["tally"]),
        Results.of(facts),
    )
