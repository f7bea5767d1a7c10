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
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.engine.batch import Batch
from dataengine.engine.failures import Failure, failures_of
from dataengine.engine.job import Job
from dataengine.engine.slice_work import SliceState, StageWork, work_rows
from dataengine.engine.stems import MEMBERS
from dataengine.engine.storage import Storage
from manifests.identity import digest_of_ids, stable_hash
from manifests.schema import STATUS_DONE, STATUS_EMPTY, STATUS_FAILED

PARTS_FOLDER = "parts"
PARTS_A_FOLDER = 4096
COMPACTED_FOLDER = "compacted"
WORK_KEY = b"dataengine.work"
COUNTS_KEY = b"dataengine.counts"

DIGEST_DIGITS = 16
"""Of a tar's SHA-256, in its name."""
END_OF_TAR = b"\0" * 2 * tarfile.BLOCKSIZE

SLICE_FIELD = pa.field("slice", pa.int32())
"""The one column of a part that `samples/` does not have: of two parts that hold a unit, one counts."""

_PART_NAME = re.compile(r"(\d{8})-([0-9a-f]{32})\.parquet$")
_COMPACTED = re.compile(rf"{COMPACTED_FOLDER}/(\d{{5}})-[0-9a-f]{{32}}\.parquet$")


TAKEN_FROM = "taken_from"
"""Column of rows that were taken over from an earlier run: the place of that run. It gets into no table."""


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
    reused: int = 0
    """Units whose work was taken over from an earlier run."""

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


@dataclass(frozen=True)
class PartFolder:
    """Parts that lie in one folder, or the tables that they were compacted into."""

    parts: tuple[Part, ...] = ()
    rows: str | None = None
    """A table with the rows of `PARTS_A_FOLDER` parts; None if they are to be read one by one."""

    @property
    def footers(self) -> str:
        """A table with what the footers of compacted parts say, and their ids."""
        return f"{(self.rows or '').removesuffix('.parquet')}.footers.parquet"

    @property
    def tables(self) -> list[str]:
        """Files that hold the rows."""
        return [self.rows] if self.rows else [part.name for part in self.parts]

    def all_parts(self, storage: Storage) -> Iterator[Part]:
        """The parts, in order of their slices."""
        yield from self.parts
        if self.rows:
            with storage.open(self.footers) as file:
                table = pq.read_table(file, columns=["slice", "part_id"])
            yield from map(Part, table.column("slice").to_pylist(), table.column("part_id").to_pylist())


def part_folders(storage: Storage) -> list[PartFolder]:
    """All parts of a run at this moment, in order of their slices."""
    compacted = {
        match[1]: match[0] for name in storage.files(COMPACTED_FOLDER) if (match := _COMPACTED.match(name))
    }
    return [
        PartFolder(rows=compacted[folder])
        if folder in compacted
        else PartFolder(tuple(_parts_in(storage, folder)))
        for folder in storage.folders(PARTS_FOLDER)
    ]


def committed_parts(storage: Storage) -> Iterator[Part]:
    """All parts of a run, in order of their slices."""
    for folder in part_folders(storage):
        yield from folder.all_parts(storage)


def _parts_in(storage: Storage, folder: str) -> Iterator[Part]:
    for name in storage.files(f"{PARTS_FOLDER}/{folder}", suffix=".parquet"):
        if match := _PART_NAME.search(name):
            yield Part(int(match[1]), match[2])


def commit(part: Part, state: SliceState, work: Sequence[StageWork], job: Job) -> Committed:
    """Write a finished slice as a part, unless it exists."""
    provenance = {"pipeline_digest": job.pipeline_digest, "models": job.models, "round": job.round_number}
    rows = _final_rows(state, provenance)
    rows = _write_audio(rows, part.name.removesuffix(".parquet"), job.storage)
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
        reused=len(np.unique(np.asarray(rows["unit_id"])[_known(rows, TAKEN_FROM)])),
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
        **{name: _unless_known(rows, name, value) for name, value in provenance.items()},
    )
    return rows.take(np.lexsort((np.asarray(rows["sample_id"]), np.asarray(rows["row_order"]))))


def _unless_known(rows: Batch, column: str, value: Any) -> list[Any]:
    """A column with this value in the rows that have none of their own."""
    known = rows[column] if column in rows else [None] * len(rows)
    return [value if each is None else each for each in known]


def _known(rows: Batch, column: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """[rows], true for those that have a value in a column."""
    values = rows[column] if column in rows else [None] * len(rows)
    return np.array([each is not None for each in values], dtype=bool)


def _write_audio(rows: Batch, stem: str, storage: Storage) -> Batch:
    """Write what `EncodeStems` made of kept and retained rows into a tar; the rows say where it lies."""
    if MEMBERS not in rows:
        return rows
    members, rows = rows[MEMBERS], rows.without([MEMBERS])
    if all(each is None for each in members):
        return rows
    digest = hashlib.sha256()
    with storage.temporary(f"{stem}.tar") as temporary:
        with temporary.open("wb") as sink:
            for each in [*members, END_OF_TAR]:
                if each is not None:
                    sink.write(each)
                    digest.update(each)
        tar = f"{stem}-{digest.hexdigest()[:DIGEST_DIGITS]}.tar"
        storage.publish(temporary, tar)
    sizes = np.array([0 if each is None else len(each) for each in members])
    stored, offsets = sizes > 0, np.cumsum(sizes) - sizes
    tars = pa.array([tar] * len(rows), mask=~stored)
    return rows.with_columns(
        shard=tars,
        part_tar=tars,
        key=pa.array(list(rows["sample_id"]), mask=~stored),
        audio_offset=pa.array(offsets, mask=~stored),
        audio_bytes=pa.array(sizes, mask=~stored),
    )
