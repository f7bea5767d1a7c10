"""A pass over the slices before any is done: those that an earlier run has done are taken over from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cloudpickle
import numpy as np

from dataengine.engine.cluster import ClusterSize
from dataengine.engine.job import Job
from dataengine.engine.messages import SliceReport
from dataengine.engine.parts import commit, part_of
from dataengine.engine.plan import read_slice
from dataengine.engine.ray_data import (
    MESSAGE,
    SHARE_OF_CPUS,
    messages_of,
    pool_of_actors,
    slices_for_ray,
)
from dataengine.engine.reuse import Reuse
from dataengine.engine.workers import forwarded_environment


@dataclass(frozen=True)
class TakingOver:
    """A job, and what it takes over."""

    job: Job
    reuse: Reuse

    def reports(self, slices: np.ndarray[Any, Any], size: ClusterSize) -> Iterator[SliceReport]:
        """Take over what can be taken over; yields a report of each slice that is."""
        workers = max(1, int(size.cpus))
        dataset = pool_of_actors(
            slices_for_ray(slices),
            ReuseActor,
            (cloudpickle.dumps(self), forwarded_environment()),
            workers=workers,
            cpus=SHARE_OF_CPUS,
        )
        for message in messages_of(dataset):
            if message:
                yield SliceReport.from_json(message)


class ReuseActor:
    """Takes slices over. It loads what the stages done again need, and nothing else."""

    def __init__(self, taking_over: bytes, environment: dict[str, str]) -> None:
        os.environ.update(environment)
        self._work: TakingOver = cloudpickle.loads(taking_over)
        for stage in self._work.reuse.stages:
            if stage.name() in self._work.reuse.redone:
                stage.setup()

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[Any]]:
        """Take one slice over; the answer is empty if that cannot be, and the slice is then done like any other."""
        (number,) = rows[MESSAGE]
        try:
            report = self._take_over(int(number))
        except OSError:  # the earlier run cannot be read now, or this one not be written
            report = None
        return {MESSAGE: [report.to_json() if report else ""]}

    def _take_over(self, number: int) -> SliceReport | None:
        job = self._work.job
        units = read_slice(job.storage, number)
        slice_taken_over = self._work.reuse.slice(number, units)
        if slice_taken_over is None:
            return None
        state, work = slice_taken_over
        committed = commit(part_of(number, units, job.pipeline_digest), state, work, job)
        return SliceReport(number, committed.counts, tuple(work), failures=committed.failures)
