"""Driving Ray Data: slices in, reports of slices out, until no planned slice is missing.

A row of Ray Data is one slice (`dataengine.engine.ray_data` says why), and Ray's word that all is done is never
taken: the committed parts are compared with the plan.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataengine.engine.cluster import ClusterSize
from dataengine.engine.grouping import WorkerGroup, workers_that_fit
from dataengine.engine.job import Job
from dataengine.engine.lease import ask_to_stop
from dataengine.engine.messages import SliceReport
from dataengine.engine.parts import committed_parts
from dataengine.engine.patience import no_space_left, patiently
from dataengine.engine.ray_data import SHARE_OF_CPUS, losses, messages_of, pool_of_actors, slices_for_ray
from dataengine.engine.settings import EngineSettings
from dataengine.engine.worker_process import GroupWork
from dataengine.engine.workers import GroupActor, forwarded_environment
from dataengine.errors import EngineError, StoppedError, UserError

SECONDS_BEFORE_NEXT_PASS = (1.0, 60.0)
"""Before the first pass that does again what was put off, and at most, as each pass without progress doubles it."""
LEAST_SHARE_OF_A_GPU = 1000
"""Ray counts in thousandths."""
LOSSES_FORGIVEN = 3
"""Passes in a row that may end with the loss of an actor or a node before a single slice is committed."""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pool:
    """Workers of one group."""

    group: WorkerGroup
    workers: int
    cpus_each: float
    gpus_each: float


def plan_pools(groups: Sequence[WorkerGroup], size: ClusterSize, wanted: int | None) -> list[Pool]:
    """Fixed pools that fit the cluster and leave Ray some room."""
    counts = workers_that_fit(groups, size.cpus, size.gpus, wanted)
    asked = sum(n * group.resources.cpus for n, group in zip(counts, groups, strict=True))
    scale = min(1.0, SHARE_OF_CPUS * size.cpus / asked)
    gpus = _shares_of_gpus([group.resources.gpus for group in groups], counts, int(size.gpus))
    return [
        Pool(group, n, _ray_quantity(group.resources.cpus * scale), gpus_each)
        for n, group, gpus_each in zip(counts, groups, gpus, strict=True)
    ]


def _shares_of_gpus(needs: Sequence[float], counts: Sequence[int], gpus: int) -> list[float]:
    """What a worker of each group gets: what it needs, or the largest part of that with which all workers have room."""
    for parts in range(1, LEAST_SHARE_OF_A_GPU + 1):
        shares = [_ray_quantity(need / parts) for need in needs]
        workers = [share for share, count in zip(shares, counts, strict=True) for _ in range(count) if share]
        if _have_room(workers, gpus):
            return shares
    raise UserError(f"{sum(counts)} workers do not fit on {gpus} GPUs; set engine.workers lower")


def _have_room(workers: Sequence[float], gpus: int) -> bool:
    """Whether the workers fit, each part of a GPU on one GPU: Ray does not take it from two."""
    free = [1.0] * gpus
    for share in sorted(workers, reverse=True):
        whole = max(1, int(share))
        room = [number for number, left in enumerate(free) if left >= min(share, 1.0) - 1e-9]
        if len(room) < whole:
            return False
        for number in room[:whole]:
            free[number] -= min(share, 1.0)
    return True


def _ray_quantity(cpus: float) -> float:
    """Rounded down to what Ray takes: whole numbers above 1, thousandths below."""
    return float(math.floor(cpus)) if cpus > 1 else math.floor(cpus * 1000) / 1000


@dataclass
class Execution:
    """A run's slices on their way through Ray Data."""

    job: Job
    pools: Sequence[Pool]
    settings: EngineSettings

    def __post_init__(self) -> None:
        self._stop_asked = False
        self._losses = 0

    def reports(self, slices: np.ndarray[Any, Any]) -> Iterator[SliceReport]:
        """Do the given slices; yields a report as each is committed or put off.

        Slices that were put off or lost are done in further passes, until none is left, or until nothing
        was committed for as long as `engine.patience_minutes` says.

        Raises:
            EngineError: a stage cannot be set up, the disk is full, or patience is at its end.
            StoppedError: `ask_to_stop` was called, and the slices under way are done.
        """
        todo, pause = slices, SECONDS_BEFORE_NEXT_PASS[0]
        last_progress = time.monotonic()
        while len(todo):
            postponed: str | None = None
            for report in self._forgiven(todo):
                if report.counts:
                    last_progress = time.monotonic()
                    self._losses = 0
                postponed = report.postponed or postponed
                yield report
            left = np.setdiff1d(todo, patiently(self._done, self.settings.patience_minutes))
            if len(left) and self._stop_asked:
                raise StoppedError
            if len(left) and time.monotonic() - last_progress >= self.settings.patience_minutes * 60:
                raise EngineError(
                    f"{len(left)} slices are still to be done, and none was for {self.settings.patience_minutes:g} "
                    f"minutes: {postponed or 'Ray gave no reason'}; run the same command again when this is mended"
                )
            if len(left):
                pause = (
                    SECONDS_BEFORE_NEXT_PASS[0]
                    if len(left) < len(todo)
                    else min(2 * pause, SECONDS_BEFORE_NEXT_PASS[1])
                )
                time.sleep(pause)
            todo = left

    def _done(self) -> np.ndarray[Any, Any]:
        return np.fromiter((part.slice for part in committed_parts(self.job.storage)), dtype=np.int64)

    def ask_to_stop(self) -> None:
        """Have the workers finish the slices they are at, and take no others."""
        if not self._stop_asked:
            self._stop_asked = True
            ask_to_stop(self.job.storage, self.job.epoch)

    def _forgiven(self, slices: np.ndarray[Any, Any]) -> Iterator[SliceReport]:
        """A pass, which is over where Ray lost an actor or a node and did not find another by itself."""
        try:
            yield from self._one_pass(slices)
        except losses() as error:
            self._losses += 1
            lost = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if self._losses > LOSSES_FORGIVEN:
                raise EngineError(
                    f"the cluster loses workers before a slice is done ({lost}); run the same command again when "
                    "its nodes are up"
                ) from error
            LOG.warning("a pass ended early, the next one goes on: %s", lost)

    def _one_pass(self, slices: np.ndarray[Any, Any]) -> Iterator[SliceReport]:
        """Hand every slice to Ray Data once."""
        stopped: dict[tuple[str, int], int] = {}
        for answered, message in enumerate(messages_of(self._dataset(slices)), start=1):
            report = SliceReport.from_json(message)
            if report.fatal:
                raise EngineError(f"a worker could not be set up: {report.fatal}")
            if report.no_space:
                raise EngineError(no_space_left(self.job.storage.root))
            if worker := report.stopped:
                stopped[worker.host, worker.process] = worker.given
            else:
                yield report
            if stopped and self._all_ended(stopped, answered):
                raise StoppedError

    def _all_ended(self, stopped: dict[tuple[str, int], int], answered: int) -> bool:
        """Whether no slice is under way any more, in any group; if nobody here asked, another driver has the run.

        `stopped` has the workers of the first group that take no slices any more, with the number that each was given;
        `answered` is how many slices were answered, those among them that were not taken.
        """
        if not self._stop_asked:
            return True
        return len(stopped) >= self.pools[0].workers and answered >= sum(stopped.values())

    def _dataset(self, slices: np.ndarray[Any, Any]) -> Any:
        dataset, environment = slices_for_ray(slices), forwarded_environment()
        for position, pool in enumerate(self.pools):
            last = position == len(self.pools) - 1
            work = GroupWork(self.job, pool.group, first=position == 0, last=last).pickled()
            own_cpus = 0.0 if pool.group.resources.gpus else pool.cpus_each
            dataset = pool_of_actors(
                dataset,
                GroupActor,
                (
                    work,
                    last,
                    own_cpus,
                    self.settings,
                    self.job.deterministic,
                    environment,
                    pool.group.python,
                ),
                workers=pool.workers,
                cpus=pool.cpus_each,
                gpus=pool.gpus_each,
            )
        return dataset
