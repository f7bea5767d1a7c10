"""Driving Ray Data: slices in, reports of slices out, until no planned slice is missing.

What was tried of Ray Data before this was written, and why it is used the way it is here, stands in
docs/decisions.md. In short: a row is one slice, pools have fixed sizes, actors may be restarted for
ever, and Ray's word that all is done is never taken; the committed parts are compared with the plan.
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
from dataengine.engine.parts import committed_parts
from dataengine.engine.workers import MESSAGE, GroupActor, SliceReport

SHARE_OF_CPUS = 0.9
"""Of the logical CPUs, what the pools take together: a pool that takes the last one starves Ray itself."""

TASKS_A_PASS = 4096
"""Beyond as many slices, a Ray task gets several: each task costs Ray some 40 ms."""

PASSES_WITHOUT_PROGRESS = 3
SECONDS_BEFORE_NEXT_PASS = 5.0


class EngineError(RuntimeError):
    """The engine cannot go on, through no fault of the rows."""


@dataclass(frozen=True)
class Pool:
    """Workers of one group."""

    group: WorkerGroup
    workers: int
    cpus_each: float


def plan_pools(groups: Sequence[WorkerGroup], size: ClusterSize, wanted: int | None) -> list[Pool]:
    """Fixed pools that fit the cluster and leave Ray some room."""
    counts = workers_that_fit(groups, size.cpus, size.gpus, wanted)
    asked = sum(n * group.resources.cpus for n, group in zip(counts, groups, strict=True))
    scale = min(1.0, SHARE_OF_CPUS * size.cpus / asked)
    return [
        Pool(group, n, _ray_quantity(group.resources.cpus * scale))
        for n, group in zip(counts, groups, strict=True)
    ]


def _ray_quantity(cpus: float) -> float:
    """Rounded down to what Ray takes: whole numbers above 1, thousandths below."""
    return float(math.floor(cpus)) if cpus > 1 else math.floor(cpus * 1000) / 1000


def execute(job: Job, pools: Sequence[Pool], slices: np.ndarray[Any, Any]) -> Iterator[SliceReport]:
    """Do the given slices; yields a report as each is committed or postponed.

    Slices that were postponed or lost are done in further passes.

    Raises:
        EngineError: a stage cannot be set up, or several passes brought nothing.
    """
    todo, idle_passes = slices, 0
    while len(todo):
        postponed: str | None = None
        for report in _one_pass(job, pools, todo):
            if report.fatal:
                raise EngineError(f"a worker could not be set up:\n{report.fatal}")
            postponed = report.postponed or postponed
            yield report
        done = np.fromiter((part.slice for part in committed_parts(job.storage)), dtype=np.int64)
        left = np.setdiff1d(todo, done)
        idle_passes = idle_passes + 1 if len(left) == len(todo) else 0
        if idle_passes >= PASSES_WITHOUT_PROGRESS:
            raise EngineError(
                f"{len(left)} slices are still to be done and {idle_passes} passes brought none; "
                f"{postponed or 'Ray gave no reason'}. Run the same command again when the cause is mended."
            )
        if len(left):
            time.sleep(SECONDS_BEFORE_NEXT_PASS)
        todo = left


def _one_pass(job: Job, pools: Sequence[Pool], slices: np.ndarray[Any, Any]) -> Iterator[SliceReport]:
    """Hand every slice to Ray Data once."""
    import ray
    from ray.data import ActorPoolStrategy

    _quieten()
    tasks = min(len(slices), TASKS_A_PASS)
    dataset: ray.data.Dataset = ray.data.from_items(
        [{MESSAGE: int(number)} for number in slices], override_num_blocks=tasks
    )
    for position, pool in enumerate(pools):
        dataset = dataset.map_batches(
            GroupActor,
            batch_size=1,
            batch_format="numpy",
            compute=ActorPoolStrategy(size=pool.workers),
            num_cpus=pool.cpus_each,
            num_gpus=pool.group.resources.gpus or None,
            fn_constructor_args=(job, pool.group, position == 0, position == len(pools) - 1),
        )
    for row in dataset.iter_rows():
        yield SliceReport.from_json(row[MESSAGE])


def _quieten() -> None:
    """Leave the terminal to our own progress, and let an idle pass take as long as its slowest stage."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = 0
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
