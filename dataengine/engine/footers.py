"""What parts say of themselves in their footers, without their rows being read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import pyarrow.parquet as pq

from dataengine.engine.parts import COUNTS_KEY, WORK_KEY, Counts, Part, PartFolder, part_folders
from dataengine.engine.slice_work import StageWork
from dataengine.engine.storage import Storage

READERS = 16
"""Footers read at a time: on an object store the wait for each is long."""
FOOTERS_AHEAD = 1024
"""Footers held at a time: the parts of a run may be millions."""


@dataclass(frozen=True)
class Turn:
    """What one worker did on a slice: all stages of its group."""

    group: str
    worker: tuple[str, int]
    """Host and process."""
    started: float
    """Unix time."""
    seconds: float
    waited: float
    """Seconds since the worker had answered for its last slice."""

    @property
    def ended(self) -> float:
        """Unix time."""
        return self.started + self.seconds


@dataclass(frozen=True)
class Footer:
    """A committed slice: what it holds and what it cost."""

    slice: int
    counts: Counts
    work: tuple[StageWork, ...]

    @property
    def turns(self) -> list[Turn]:
        """The work by group, in order."""
        return [
            _turn(group, list(stages)) for group, stages in groupby(self.work, key=lambda each: each.group)
        ]

    @property
    def ended(self) -> float:
        """Unix time at which the last group was through."""
        return max((turn.ended for turn in self.turns), default=0.0)


def _turn(group: str, stages: list[StageWork]) -> Turn:
    first = stages[0]
    seconds = sum(stage.seconds for stage in stages)
    return Turn(group, (first.host, first.pid), first.started, seconds, first.waited)


def read_footers(storage: Storage, parts: Iterable[Part] | None = None) -> Iterator[Footer]:
    """The footers of these parts; else of all parts committed so far, in order of their slices."""
    folders = part_folders(storage) if parts is None else [PartFolder(tuple(parts))]
    with ThreadPoolExecutor(READERS) as readers:
        for folder in folders:
            if folder.rows:
                yield from _read_compacted(storage, folder)
            for start in range(0, len(folder.parts), FOOTERS_AHEAD):
                some = folder.parts[start : start + FOOTERS_AHEAD]
                yield from readers.map(lambda part: _read(storage, part), some)


def _read(storage: Storage, part: Part) -> Footer:
    with storage.open(part.name) as file:
        metadata = pq.read_metadata(file).metadata
    return _footer(part.slice, metadata[COUNTS_KEY], metadata[WORK_KEY])


def _read_compacted(storage: Storage, folder: PartFolder) -> Iterator[Footer]:
    with storage.open(folder.footers) as file:
        for batch in pq.ParquetFile(file).iter_batches(FOOTERS_AHEAD, columns=["slice", "counts", "work"]):
            yield from map(_footer, *(column.to_pylist() for column in batch.columns))


def _footer(number: int, counts: str | bytes, work: str | bytes) -> Footer:
    return Footer(
        number, Counts(**json.loads(counts)), tuple(StageWork(**entry) for entry in json.loads(work))
    )
