"""What parts say of themselves in their footers, without their rows being read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow.parquet as pq

from dataengine.engine.parts import COUNTS_KEY, WORK_KEY, Counts, Part, committed_parts
from dataengine.engine.slice_work import StageWork
from dataengine.engine.storage import Storage

READERS = 16
"""Footers read at a time: on an object store the wait for each is long."""


@dataclass(frozen=True)
class Footer:
    """A committed slice: what it holds and what it cost."""

    slice: int
    counts: Counts
    work: tuple[StageWork, ...]

    @property
    def ended(self) -> float:
        """Unix time at which the last group had done its stages."""
        return max((each.started for each in self.work), default=0.0) + self.seconds_of_last_group

    @property
    def seconds_of_last_group(self) -> float:
        """Time of the group that ran last."""
        last = self.work[-1].group if self.work else None
        return sum(each.seconds for each in self.work if each.group == last)


def read_footers(storage: Storage) -> Iterator[Footer]:
    """The footers of all parts committed so far, in order of their slices."""
    with ThreadPoolExecutor(READERS) as readers:
        yield from readers.map(lambda part: _read(storage, part), committed_parts(storage))


def _read(storage: Storage, part: Part) -> Footer:
    with storage.open(part.name) as file:
        metadata = pq.read_metadata(file).metadata
    work = tuple(StageWork(**entry) for entry in json.loads(metadata[WORK_KEY]))
    return Footer(part.slice, Counts(**json.loads(metadata[COUNTS_KEY])), work)
