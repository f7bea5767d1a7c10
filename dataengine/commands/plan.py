"""`dataengine plan`."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from rich.console import Console

from dataengine.commands.plan_display import show_estimate, show_groups, show_work
from dataengine.commands.run import engine_errors
from dataengine.engine.cluster import ClusterSize
from dataengine.engine.execute import Pool, plan_pools
from dataengine.engine.grouping import WorkerGroup
from dataengine.engine.rehearsal import Rehearsal, rehearse
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.licences import refuse_non_commercial
from dataengine.measured import rates_of_run
from dataengine.pipeline import Pipeline
from dataengine.probe import ProbeShape, probe, windows_to_fill
from dataengine.scale import GroupPlan, Rates, ScaleEstimate, estimate
from manifests.tables import open_table
from manifests.temporary import TemporaryFolder


@dataclass(frozen=True)
class ClusterShape:
    """A cluster as the user describes it; what is not said is as it is here."""

    nodes: int | None
    cpus_per_node: float | None
    gpus_per_node: float | None
    """Not said: one, if a group needs it."""

    def size_for(self, groups: Sequence[WorkerGroup]) -> ClusterSize:
        """Logical resources of all nodes."""
        nodes, needed = self.nodes or 1, math.ceil(max(group.resources.gpus for group in groups))
        gpus = needed if self.gpus_per_node is None else self.gpus_per_node
        return ClusterSize(nodes * (self.cpus_per_node or os.cpu_count() or 1), nodes * gpus)

    @property
    def name(self) -> str:
        """As a person says it."""
        if self.nodes is None:
            return "this machine"
        return "1 node" if self.nodes == 1 else f"{self.nodes:,} nodes"


THIS_MACHINE = ClusterShape(None, None, None)


@dataclass(frozen=True)
class ExpectedWork:
    """What a run would have to do."""

    units: int
    unreadable: int
    hours: float
    """Of audio."""
    slices: int


@dataclass(frozen=True)
class Measurement:
    """What a run costs, and where that comes from."""

    rates: Rates
    driver: Rehearsal
    source: str
    """As a person says it."""
    probe: ProbeShape | None
    """None if an earlier run was measured."""
    to_fill: int | None
    """Windows of a probe that would keep this machine busy; None if it was, or an earlier run was measured."""


@dataclass(frozen=True)
class PipelineArguments:
    """What `Pipeline.load` is given."""

    file: Path
    overrides: Sequence[str]
    stages: Sequence[str]


def plan(
    given: PipelineArguments,
    probed: int | None,
    measured_run: str | None,
    units: int | None,
    shape: ClusterShape,
    commercial_only: bool,
    as_json: bool,
) -> None:
    """Print the worker groups and the work there is; with rates, the time it takes. Raises UserError."""
    if probed and measured_run:
        raise UserError("--probe and --measured both say what stages cost; give one of them")
    pipeline = Pipeline.load(given.file, given.overrides, given.stages)
    if commercial_only:
        refuse_non_commercial(pipeline)
    groups = pipeline.worker_groups
    if shape.nodes and not (probed or measured_run):
        raise UserError(
            f"how long it takes must be measured: add --probe {_to_fill(pipeline)}, or --measured RUN with a run "
            "done before"
        )
    pools = plan_pools(groups, shape.size_for(groups), pipeline.engine.workers)
    expected = _expected(pipeline, units)
    measurement = _measure(pipeline, given, probed, measured_run, expected)
    found = _estimate(measurement, pools, shape, expected, pipeline) if measurement else None
    if as_json:
        print(json.dumps(_as_plain(expected, pools, measurement, found), indent=2))
        return
    console = Console()
    show_work(console, expected)
    show_groups(console, pools, measurement)
    if measurement and found:
        show_estimate(console, measurement, found, shape.name)
    else:
        console.print(
            f"[dim]--probe {_to_fill(pipeline)} measures some windows and tells how long it will take"
        )


def _expected(pipeline: Pipeline, wanted: int | None) -> ExpectedWork:
    units, unreadable, seconds_of_audio = 0, 0, 0.0
    with open_table(pipeline.input) as manifest:
        for batch in manifest.iter_batches(columns=["duration", "error_type"]):
            units += batch.num_rows
            unreadable += batch.num_rows - batch.column("error_type").null_count
            seconds_of_audio += pc.sum(batch.column("duration")).as_py() or 0.0
    times = wanted / units if wanted and units else 1.0
    units = wanted or units
    slices = -(-units // pipeline.engine.slice_units)
    return ExpectedWork(units, round(unreadable * times), seconds_of_audio * times / 3600, slices)


def _workers_here(pipeline: Pipeline) -> int:
    """Of each group, as many as this machine has room for."""
    groups = pipeline.worker_groups
    pools = plan_pools(groups, THIS_MACHINE.size_for(groups), pipeline.engine.workers)
    return min(pool.workers for pool in pools)


def _to_fill(pipeline: Pipeline) -> int:
    return windows_to_fill(_workers_here(pipeline), pipeline.engine)


def _measure(
    pipeline: Pipeline,
    given: PipelineArguments,
    probed: int | None,
    run_dir: str | None,
    expected: ExpectedWork,
) -> Measurement | None:
    if run_dir:
        return _measured_run(pipeline, run_dir, expected)
    return _probed(pipeline, given, probed, expected) if probed else None


def _measured_run(pipeline: Pipeline, run_dir: str, expected: ExpectedWork) -> Measurement:
    rates = rates_of_run(run_dir, [stage.name() for stage in pipeline.stages])
    source = f"{rates.units:,} windows of {run_dir}"
    return Measurement(rates, _rehearse(run_dir, pipeline, expected), source, None, None)


def _probed(
    pipeline: Pipeline, given: PipelineArguments, windows: int, expected: ExpectedWork
) -> Measurement:
    workers = _workers_here(pipeline)
    with open_table(pipeline.input) as manifest:
        shape = ProbeShape.of(min(windows, manifest.metadata.num_rows), pipeline.engine, workers)
    with TemporaryFolder() as folder, engine_errors():
        run_dir = str(probe(given.file, given.overrides, given.stages, pipeline.input, shape, folder))
        rates = rates_of_run(run_dir, [stage.name() for stage in pipeline.stages])
        driver = _rehearse(run_dir, pipeline, expected)
    rates = replace(rates, audio_seconds=expected.hours * 3600 / expected.units)
    source = f"{rates.units:,} windows, with {shape.workers} of {workers} workers at a time"
    to_fill = _to_fill(pipeline) if shape.workers < workers else None
    return Measurement(rates, driver, source, shape, to_fill)


def _rehearse(run_dir: str, pipeline: Pipeline, expected: ExpectedWork) -> Rehearsal:
    try:
        with Console(stderr=True).status("rehearsing planning, finishing and packing …"):
            return rehearse(Storage.at(run_dir), expected.units, pipeline.engine.slice_units, pipeline.pack)
    except OSError as error:
        raise UserError(
            f"finishing cannot be rehearsed: {error}; the run's parts must be there, and room for a gigabyte in the "
            "temporary folder (TMPDIR)"
        ) from error


def _estimate(
    measurement: Measurement,
    pools: Sequence[Pool],
    shape: ClusterShape,
    expected: ExpectedWork,
    pipeline: Pipeline,
) -> ScaleEstimate:
    groups = [
        GroupPlan(
            name=pool.group.name,
            stages=tuple(stage.name() for stage in pool.group.stages),
            workers=pool.workers,
            cpus=pool.group.resources.cpus,
            gpus=pool.gpus_each,
        )
        for pool in pools
    ]
    return estimate(
        measurement.rates,
        measurement.driver,
        groups,
        shape.nodes or 1,
        expected.units,
        pipeline.engine.slice_units,
    )


def _as_plain(
    expected: ExpectedWork,
    pools: Sequence[Pool],
    measurement: Measurement | None,
    found: ScaleEstimate | None,
) -> dict[str, Any]:
    return {
        **asdict(expected),
        "seconds": found.hours * 3600 if found else None,
        "groups": [
            {
                "stages": [stage.name() for stage in pool.group.stages],
                "workers": pool.workers,
                "cpus": pool.group.resources.cpus,
                "gpus": pool.gpus_each,
            }
            for pool in pools
        ],
        "source": measurement.source if measurement else None,
        "probe": asdict(measurement.probe) if measurement and measurement.probe else None,
        "rates": asdict(measurement.rates) if measurement else None,
        "driver": asdict(measurement.driver) if measurement else None,
        "estimate": asdict(found) if found else None,
    }
