"""One run from start to finish: plan, execute, finish; resumed by running it again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console

from dataengine.driver_log import DriverLog, driver_times
from dataengine.engine.attempts import attempts_of, planned_slices
from dataengine.engine.cluster import ClusterSize, cluster, messages_to
from dataengine.engine.events import EventLog
from dataengine.engine.execute import Execution, plan_pools
from dataengine.engine.finish import Finished, finish
from dataengine.engine.footers import read_footers
from dataengine.engine.job import Job
from dataengine.engine.lease import Holder, Lease
from dataengine.engine.messages import SliceReport
from dataengine.engine.metrics import RunMetrics
from dataengine.engine.part_rows import counts_so_far
from dataengine.engine.parts import Counts, committed_parts
from dataengine.engine.patience import patiently, trouble_in_words
from dataengine.engine.plan import Plan, plan_schema
from dataengine.engine.shard_writers import writers_for
from dataengine.engine.storage import Storage
from dataengine.engine.taking_over import TakingOver
from dataengine.errors import EngineError, StoppedError
from dataengine.pipeline import Pipeline
from dataengine.run_files import SUMMARY_FILE
from dataengine.run_progress import RunProgress
from dataengine.run_record import NO_ORIGIN, Origin, delta_of, fork_of, plan_of
from dataengine.stage_catalogue import send_file_stages_by_value
from dataengine.stopping import on_sigterm, raising_after, stop_at_once


@dataclass(frozen=True)
class Wanted:
    """What a driver is to do."""

    slices: np.ndarray[Any, Any]
    """Their numbers; those that have a part are left alone."""
    units: int
    done_before: Counts
    """What is done of them."""


@dataclass(frozen=True)
class RunSummary:
    """The numbers at the end of a run; also `summary.json`."""

    run_dir: str
    counts: Counts
    packed: int
    left_out: dict[str, int]
    shards: int
    shard_bytes: int
    seconds: float
    """Wall time of labelling, over all drivers of the run."""
    speed_of_light: float | None
    """Time inside models ÷ time of the workers; 1 means that nothing but models costs time."""
    seconds_per_kept_hour: dict[str, float]
    """Seconds of a worker, by stage, for each hour of kept audio; empty if nothing is kept."""

    def to_json(self) -> str:
        """The content of `summary.json`."""
        return json.dumps({**asdict(self)}, indent=2)


def run(
    pipeline: Pipeline,
    run_dir: str | Path,
    *,
    limit: int | None = None,
    address: str | None = None,
    fork: str | Path | None = None,
    delta: str | Path | None = None,
    delta_margin: float | None = None,
    round_number: int | None = None,
) -> RunSummary:
    """Run a pipeline, or go on with it where it was stopped.

    Args:
        pipeline: a loaded pipeline.
        run_dir: the directory that holds everything the run knows; made if it does not exist.
        limit: label about this many units now: whole slices, from the front of the manifest.
        address: a Ray cluster; default: the one `RAY_ADDRESS` names, else this machine.
        fork: an earlier run of the same units: what a changed pipeline leaves as it was is taken over from
            it. The directory remembers it, as it does `delta`.
        delta: an earlier run of the same units with another model: only units are labelled again whose verdicts
            are likely to flip, the others are carried over.
        delta_margin: how far a score may move, in interquartile ranges of that score.
        round_number: the round of a loop that this is a step of; samples tell.

    Raises:
        UserError: the directory holds another run, or another driver works on it.
        EngineError: the engine could not go on.
        LeaseLostError: another driver has taken the run over.
        StoppedError: SIGTERM came, and the slices under way are committed.
    """
    storage = Storage.at(run_dir)

    def wanted(plan: Plan, lease: Lease) -> Wanted:
        slices = plan.slices if limit is None else min(plan.slices, -(-limit // plan.slice_units))
        units = min(plan.units, slices * plan.slice_units)
        return Wanted(planned_slices(slices, attempts_of(storage)), units, _done_before(plan, storage))

    return drive(pipeline, storage, wanted, address, Origin(fork, delta, delta_margin), round_number)


def drive(
    pipeline: Pipeline,
    storage: Storage,
    choose: Callable[[Plan, Lease], Wanted],
    address: str | None,
    origin: Origin = NO_ORIGIN,
    round_number: int | None = None,
) -> RunSummary:
    """Do the slices that `choose` wants and that have no part, then finish. Raises as `run` does."""
    minutes = pipeline.engine.patience_minutes
    with (
        _trouble_in_one_line(storage),
        Lease(storage) as lease,
        messages_to(_messages_file(storage)) as terminal,
        on_sigterm(stop_at_once),
        EventLog(storage, lease.holder.epoch) as events,
    ):
        plan = plan_of(pipeline, storage, origin)
        job = _job(pipeline, storage, lease.holder, round_number)
        wanted = choose(plan, lease)
        progress = RunProgress(
            [stage.name() for stage in job.stages],
            wanted.units,
            wanted.done_before,
            Console(file=terminal),
        )
        with progress.shown():
            todo = without_part(wanted.slices, storage)
            events.write("run_started", run=storage.root, pipeline_digest=pipeline.digest, slices=len(todo))
            if len(todo):
                with cluster(address, terminal) as size:
                    _label(pipeline, job, size, todo, progress, lease, events)
            writers = writers_for(address, lease.holder.epoch, terminal)
            finished = patiently(
                lambda: finish(job, plan.slices, pipeline.pack, writers, progress.writing, lease.check),
                minutes,
            )
        summary = _summary(storage, finished)
        storage.replace(SUMMARY_FILE, summary.to_json().encode())
        events.write("run_finished", **asdict(summary.counts), packed=summary.packed, shards=summary.shards)
    return summary


def _done_before(plan: Plan, storage: Storage) -> Counts:
    """What earlier drivers have done: the units exactly, all else by what the drivers noted.

    That may lack the last seconds of one that was killed. Reading every part instead would take minutes where
    there are many; it is done only where units were tried again, as attempts must not count twice.
    """
    if attempts_of(storage):
        return counts_so_far(storage, read_footers(storage))
    done = _committed_slices(storage)
    last = plan.units - (plan.slices - 1) * plan.slice_units
    units = len(done) * plan.slice_units - (plan.slice_units - last if plan.slices - 1 in done else 0)
    noted = sum((driver.counts for driver in driver_times(storage)), Counts())
    return replace(noted, units=units)


def _job(pipeline: Pipeline, storage: Storage, holder: Holder, round_number: int | None) -> Job:
    delta = delta_of(storage)
    return Job(
        stages=tuple(pipeline.stages),
        storage=storage,
        sample_schema=pipeline.sample_schema(plan_schema(storage)),
        sample_rate=pipeline.profile.sample_rate,
        seed=pipeline.seed,
        pipeline_digest=pipeline.digest,
        models=json.dumps(pipeline.models_provenance(), sort_keys=True),
        micro_batch_units=pipeline.engine.micro_batch_units,
        epoch=holder.epoch,
        deterministic=pipeline.deterministic,
        screens=pipeline.screens,
        carrying=delta.carrying(pipeline) if delta else None,
        round_number=round_number,
        store_frames=pipeline.engine.store_frames,
    )


def without_part(slices: np.ndarray[Any, Any], storage: Storage) -> np.ndarray[Any, Any]:
    """Of these slices, those that are still to be done."""
    return np.setdiff1d(slices, _committed_slices(storage))


def _committed_slices(storage: Storage) -> np.ndarray[Any, Any]:
    return np.fromiter((part.slice for part in committed_parts(storage)), dtype=np.int64)


def _label(
    pipeline: Pipeline,
    job: Job,
    size: ClusterSize,
    todo: np.ndarray[Any, Any],
    progress: RunProgress,
    lease: Lease,
    events: EventLog,
) -> None:
    """Have the workers do these slices."""
    send_file_stages_by_value()
    pools = plan_pools(pipeline.worker_groups, size, pipeline.engine.workers)
    workers = {pool.group.name: pool.workers for pool in pools}
    log = DriverLog(job.storage, lease.holder, sum(workers.values()))
    metrics = RunMetrics(job.storage.root, progress.units, progress.done_before.units, len(todo), workers)
    for pool in pools:
        events.write("pool_planned", group=pool.group.name, workers=pool.workers, cpus_each=pool.cpus_each)
    execution = Execution(job, pools, pipeline.engine)
    fork = fork_of(job.storage)
    taking_over = TakingOver(job, fork.reuse(job.stages)) if fork else None
    max_failed = pipeline.engine.max_failed

    def stop() -> None:
        execution.ask_to_stop()
        stop_within(pipeline.engine.stop_seconds)

    coming = closing(_reports(taking_over, execution, size, todo, lease))
    with log, metrics, raising_after(StoppedError) as stop_within, on_sigterm(stop), coming as reports:
        for report in reports:
            for record in (progress, events, metrics, log):
                record.add(report)
            counts = progress.done_before + progress.counts
            if max_failed is not None and counts.failed > _allowed(max_failed, counts):
                raise EngineError(
                    f"{counts.failed} of {counts.units} units failed, more than engine.max_failed={max_failed:g} "
                    f"allows; see what failed: dataengine status {job.storage.root}"
                )
    patiently(lease.check, pipeline.engine.patience_minutes)


def _reports(
    taking_over: TakingOver | None,
    execution: Execution,
    size: ClusterSize,
    todo: np.ndarray[Any, Any],
    lease: Lease,
) -> Generator[SliceReport, None, None]:
    """What becomes of the slices: first of those that an earlier run has done, then of the others."""
    try:
        done = []
        for report in taking_over.reports(todo, size) if taking_over else ():
            done.append(report.slice)
            yield report
        yield from execution.reports(np.setdiff1d(todo, done))
    except StoppedError:
        lease.check()  # nobody asked, if the workers stopped because another driver has taken the run over
        raise


@contextmanager
def _trouble_in_one_line(storage: Storage) -> Iterator[None]:
    """End with an EngineError where storage is in trouble, with no space left, or for too long."""
    try:
        yield
    except OSError as error:
        raise EngineError(trouble_in_words(error, storage.root)) from error


def _allowed(max_failed: float, counts: Counts) -> float:
    return max_failed if max_failed >= 1 else max_failed * counts.units


def _messages_file(storage: Storage) -> Path:
    return Path(storage.path("log/ray.txt")) if storage.is_local else Path(os.devnull)


def _summary(storage: Storage, finished: Finished) -> RunSummary:
    drivers = list(driver_times(storage))
    worker_seconds = sum(driver.seconds * driver.workers for driver in drivers)
    with storage.open("log/work.parquet") as file:
        work = pq.read_table(file, columns=["stage", "seconds", "model_seconds"])
    by_stage = work.group_by("stage").aggregate([("seconds", "sum")]).to_pylist()
    model_seconds = pc.sum(work.column("model_seconds")).as_py() or 0.0
    kept_hours = finished.counts.kept_seconds / 3600
    return RunSummary(
        run_dir=storage.root,
        counts=finished.counts,
        packed=finished.results.packed,
        left_out=finished.results.left_out,
        shards=len(finished.results.shards),
        shard_bytes=finished.results.shard_bytes,
        seconds=sum(driver.seconds for driver in drivers),
        speed_of_light=model_seconds / worker_seconds if worker_seconds and model_seconds else None,
        seconds_per_kept_hour={
            row["stage"]: row["seconds_sum"] / kept_hours for row in by_stage if kept_hours
        },
    )
