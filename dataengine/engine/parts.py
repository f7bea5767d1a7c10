"""Parts: committed slices.

A part is a Parquet file with a row for every candidate, every failed unit and every unit without
candidates, and, if audio is kept, a tar that the Parquet names. The tar is written first, under a name
that carries its digest; publishing the Parquet is the commit. A tar without its Parquet is debris.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.engine.batch import Batch
from dataengine.engine.failures import Failure, failures_of
from dataengine.engine.job import Job
from dataengine.engine.slice_work import SliceState, StageWork, work_rows
from dataengine.engine.stage_call import Reason, Suspects, Watch, failed, unwatched
from dataengine.engine.storage import Storage
from manifests.identity import digest_of_ids, stable_hash
from manifests.media import EncodedStems, encode_stems
from manifests.schema import STATUS_DONE, STATUS_EMPTY, STATUS_FAILED

PARTS_FOLDER = "parts"
PARTS_A_FOLDER = 4096
WORK_KEY = b"dataengine.work"
COUNTS_KEY = b"dataengine.counts"

COMMIT_STAGE = "commit"
"""The stage that a row fails at whose stems cannot be stored."""

SLICE_FIELD = pa.field("slice", pa.int32())
"""The one column of a part that `samples/` does not have: of two parts that hold a unit, one counts."""

_PART_NAME = re.compile(r"(\d{8})-([0-9a-f]{32})\.parquet$")


@dataclass(frozen=True)
class Counts:
    """What a part, or a run, holds."""

    units: int = 0
    empty: int = 0
    candidates: int = 0
    kept: int = 0
    retained: int = 0
    rejected: int = 0
    failed: int = 0
    audio_seconds: float = 0.0
    kept_seconds: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        mine, others = asdict(self), asdict(other)
        return Counts(**{name: mine[name] + others[name] for name in mine})

    def __sub__(self, other: Counts) -> Counts:
        mine, others = asdict(self), asdict(other)
        return Counts(**{name: mine[name] - others[name] for name in mine})


@dataclass(frozen=True)
class Part:
    """A committed slice, by its place."""

    slice: int
    part_id: str

    @property
    def name(self) -> str:
        """Path of its Parquet in the run directory."""
        return f"{PARTS_FOLDER}/{self.slice // PARTS_A_FOLDER:05d}/{self.slice:08d}-{self.part_id}.parquet"


@dataclass(frozen=True)
class Committed:
    """What became of a slice."""

    counts: Counts
    failures: tuple[Failure, ...]


def part_of(number: int, units: pa.Table, pipeline_digest: str) -> Part:
    """The part that a slice becomes: an id of its inputs, never of output bytes."""
    return Part(
        number, stable_hash("part", pipeline_digest, digest_of_ids(units.column("unit_id").to_pylist()))
    )


def committed_parts(storage: Storage) -> Iterator[Part]:
    """All parts of a run, in order of their slices."""
    for name in storage.files(PARTS_FOLDER, suffix=".parquet"):
        if match := _PART_NAME.search(name):
            yield Part(int(match[1]), match[2])


def commit(
    part: Part,
    state: SliceState,
    work: Sequence[StageWork],
    job: Job,
    watch: Watch = unwatched,
    suspects: Suspects | None = None,
) -> Committed:
    """Write a finished slice as a part, unless it exists; `watch` and `suspects` as `GroupRunner.run` has them."""
    rows = _final_rows(state, {"pipeline_digest": job.pipeline_digest, "models": job.models})
    rows = _write_audio(rows, part.name.removesuffix(".parquet"), job, watch, suspects or Suspects())
    counts = count_rows(rows)
    schema = job.sample_schema
    part_schema = pa.schema([*schema, SLICE_FIELD], metadata=schema.metadata)
    rows = rows.with_columns(slice=[part.slice] * len(rows))
    table = rows.to_arrow(part_schema).replace_schema_metadata(
        {
            **(schema.metadata or {}),
            WORK_KEY: json.dumps(work_rows(work)).encode(),
            COUNTS_KEY: json.dumps(asdict(counts)).encode(),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    if not job.storage.create(part.name, sink.getvalue()):
        _remove_unnamed_tar(part, table, job.storage)
    return Committed(counts, failures_of(rows))


def _remove_unnamed_tar(part: Part, mine: pa.Table, storage: Storage) -> None:
    """Remove the tar of a writer that came too late, unless the part that was committed names the same."""
    with storage.open(part.name) as file:
        committed = pq.read_table(file, columns=["part_tar"])
    for tar in _tars(mine) - _tars(committed):
        storage.remove(tar)


def _tars(rows: pa.Table) -> set[str]:
    return set(rows.column("part_tar").drop_null().to_pylist())


def count_rows(rows: Batch) -> Counts:
    """The figures of a part."""
    status = np.asarray(rows["status"])
    candidate = (status == STATUS_DONE) & (np.asarray(rows["kind"]) != "unit")
    kept = np.asarray(rows["kept"], dtype=bool)
    units, first = np.unique(np.asarray(rows["unit_id"]), return_index=True)
    durations = np.nan_to_num(np.asarray(rows["duration"], dtype=float))
    return Counts(
        units=len(units),
        empty=int((status == STATUS_EMPTY).sum()),
        candidates=int(candidate.sum()),
        kept=int(kept.sum()),
        retained=int((np.asarray(rows["retained"], dtype=bool) & ~kept).sum()),
        rejected=int((candidate & ~kept).sum()),
        failed=int((status == STATUS_FAILED).sum()),
        audio_seconds=float(durations[first].sum()),
        kept_seconds=float(durations[kept].sum()),
    )


def _final_rows(state: SliceState, provenance: dict[str, Any]) -> Batch:
    """All rows of a slice with their verdicts, in the order of its units, candidates by id.

    A row that came through without a verdict is kept: its pipeline filters nothing.
    """
    rows = Batch.concat([state.live, *state.settled])
    done = [status == STATUS_DONE for status in rows["status"]]
    kept = rows["kept"] if "kept" in rows else [None] * len(rows)
    retained = rows["retained"] if "retained" in rows else [False] * len(rows)
    rows = rows.with_columns(
        kept=[d and (k is None or bool(k)) for d, k in zip(done, kept, strict=True)],
        retained=[d and bool(r) for d, r in zip(done, retained, strict=True)],
        **{name: [value] * len(rows) for name, value in provenance.items()},
    )
    return rows.take(np.lexsort((np.asarray(rows["sample_id"]), np.asarray(rows["row_order"]))))


def _write_audio(rows: Batch, stem: str, job: Job, watch: Watch, suspects: Suspects) -> Batch:
    """Write the stems of kept and retained rows into a tar; the rows say where they lie.

    A row whose stems cannot be stored (they do not add up, or hold NaN) is failed.
    """
    encoded, rows = _encode(rows, job.sample_rate, watch, suspects)
    watch(COMMIT_STAGE, [])
    if not encoded:
        return rows
    storage, keys = job.storage, rows["sample_id"]
    places: dict[int, tuple[int, int]] = {}
    with storage.temporary(f"{stem}.tar") as temporary:
        with temporary.open("wb") as sink:
            for row, stems in encoded.items():
                start = sink.tell()
                for suffix, content in stems.members():
                    sink.write(tar_member(f"{keys[row]}.{suffix}", content))
                places[row] = (start, sink.tell() - start)
            sink.write(b"\0" * 2 * tarfile.BLOCKSIZE)
        tar = f"{stem}-{_digest_of_file(temporary)}.tar"
        storage.publish(temporary, tar)
    every = range(len(rows))
    return rows.with_columns(
        shard=[tar if row in places else None for row in every],
        part_tar=[tar if row in places else None for row in every],
        key=[keys[row] if row in places else None for row in every],
        audio_offset=[places[row][0] if row in places else None for row in every],
        audio_bytes=[places[row][1] if row in places else None for row in every],
        gain=[encoded[row].gain if row in places else None for row in every],
    )


def _encode(
    rows: Batch, sample_rate: int, watch: Watch, suspects: Suspects
) -> tuple[dict[int, EncodedStems], Batch]:
    """The stems to store, by row, and the rows, with those failed whose stems cannot be stored."""
    stems = [name for name in ("mixture", "target", "residual") if name in rows]
    if "mixture" not in stems:
        return {}, rows
    columns = {name: rows[name] for name in stems}
    wanted = np.asarray(rows["kept"]) | np.asarray(rows["retained"])
    ids, guilty = rows["sample_id"], suspects.guilty.get(COMMIT_STAGE, {})
    rows = rows.without(stems)
    encoded: dict[int, EncodedStems] = {}
    for row in np.flatnonzero(wanted).tolist():
        if (reason := guilty.get(ids[row])) is None:
            watch(COMMIT_STAGE, [ids[row]])
            waveforms = {name: column[row] for name, column in columns.items()}
            try:
                encoded[row] = encode_stems(**waveforms, sample_rate=sample_rate)
                continue
            except ValueError as error:
                reason = Reason.of(error)
        bad = failed(rows.slice(row, row + 1), COMMIT_STAGE, reason)
        bad = bad.with_columns(kept=[False], retained=[False])
        rows = Batch.concat([rows.slice(0, row), bad, rows.slice(row + 1, len(rows))])
    return encoded, rows


def tar_member(name: str, content: bytes) -> bytes:
    """A file as it stands in a tar: header, content, padding; the same bytes whenever it is made."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    padding = -len(content) % tarfile.BLOCKSIZE
    return info.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * padding


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
