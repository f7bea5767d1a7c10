"""`dataengine plan`."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from dataengine.engine.cluster import ClusterSize
from dataengine.engine.execute import Pool, plan_pools
from dataengine.engine.grouping import WorkerGroup
from dataengine.engine.probe import ProbeResult, probe
from dataengine.errors import UserError
from dataengine.licences import refuse_non_commercial
from dataengine.measured import rates_of_probe, rates_of_run
from dataengine.pipeline import Pipeline
from dataengine.scale import GroupPlan, Rates, ScaleEstimate, estimate
from manifests.tables import open_table


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
    """What stages cost, and where that comes from."""

    rates: Rates
    probe: ProbeResult | None


def plan(
    file: Path,
    overrides: Sequence[str],
    stages: Sequence[str],
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
    if shape.nodes and not (probed or measured_run):
        raise UserError(
            "how long it takes must be measured: add --probe 16, or --measured RUN with a run done before"
        )
    pipeline = Pipeline.load(file, overrides, stages)
    if commercial_only:
        refuse_non_commercial(pipeline)
    groups = pipeline.worker_groups
    pools = plan_pools(groups, shape.size_for(groups), pipeline.engine.workers)
    expected = _expected(pipeline, units)
    measurement = _measure(pipeline, pools, probed, measured_run, expected)
    found = _estimate(measurement.rates, pools, shape, expected, pipeline) if measurement else None
    if as_json:
        print(json.dumps(_as_plain(expected, pools, measurement, found), indent=2))
        return
    console = Console()
    _show_work(console, expected)
    _show_groups(console, pools, measurement)
    _show_estimate(console, found, shape)


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


def _measure(
    pipeline: Pipeline, pools: Sequence[Pool], probed: int | None, run_dir: str | None, expected: ExpectedWork
) -> Measurement | None:
    if run_dir:
        return Measurement(rates_of_run(run_dir, [stage.name() for stage in pipeline.stages]), None)
    if not probed:
        return None
    with Console(stderr=True).status(f"measuring {probed} windows …"):
        result = probe(
            [pool.group for pool in pools],
            pipeline.input,
            probed,
            pipeline.engine.micro_batch_units,
            pipeline.screens,
        )
    return Measurement(rates_of_probe(result, expected.hours * 3600 / expected.units), result)


def _estimate(
    rates: Rates, pools: Sequence[Pool], shape: ClusterShape, expected: ExpectedWork, pipeline: Pipeline
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
    return estimate(rates, groups, shape.nodes or 1, expected.units, pipeline.engine.slice_units)


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
        "measured": asdict(measurement.probe) if measurement and measurement.probe else None,
        "rates": asdict(measurement.rates) if measurement else None,
        "estimate": asdict(found) if found else None,
    }


def _show_work(console: Console, expected: ExpectedWork) -> None:
    console.print(
        f"[bold]{expected.units:,}[/] windows, {expected.hours:,.2f} h, in {expected.slices:,} slices"
        + (f"; {expected.unreadable:,} cannot be read" if expected.unreadable else "")
    )


def _show_groups(console: Console, pools: Sequence[Pool], measurement: Measurement | None) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("group")
    table.add_column("stage")
    for heading in ("workers", "CPUs each", "GPUs each", "ms a window", "share"):
        table.add_column(heading, justify="right")
    for number, pool in enumerate(pools, start=1):
        needs = pool.group.resources
        for position, stage in enumerate(pool.group.stages):
            head = (str(number), str(pool.workers), f"{needs.cpus:g}", f"{pool.gpus_each:g}")
            group, *resources = head if position == 0 else ("", "", "", "")
            table.add_row(group, stage.name(), *resources, *_cost(stage.name(), measurement))
    console.print(table)


def _cost(stage: str, measurement: Measurement | None) -> tuple[str, str]:
    if measurement is None:
        return "", ""
    seconds = measurement.rates.stage_seconds
    return f"{seconds[stage] * 1e3:,.1f}", f"{seconds[stage] / (sum(seconds.values()) or 1.0):.0%}"


def _show_estimate(console: Console, found: ScaleEstimate | None, shape: ClusterShape) -> None:
    if found is None:
        console.print("[dim]--probe 16 measures a few windows and tells how long it will take")
        return
    console.print(f"about [bold]{_spoken(found.hours * 3600)}[/] on {shape.name}; finishing comes on top")
    costs = f"{found.cpu_hours:,.1f} CPU-hours"
    costs += f", {found.gpu_hours:,.1f} GPU-hours" if found.gpu_hours else ""
    console.print(f"{costs}; {found.node_hours:,.1f} node-hours held")
    if len(found.groups) > 1:
        console.print(f"all wait for {found.limiting}")
    if found.storage and found.kept_hours:
        stored = found.storage
        console.print(
            f"{_bytes(stored.total)}: parts {_bytes(stored.parts)}, samples {_bytes(stored.samples)}, "
            f"shards {_bytes(stored.shards)}; {_bytes(stored.total / found.kept_hours)} for each of "
            f"{found.kept_hours:,.1f} kept hours"
        )


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:,.1f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:,.1f} days"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.1f} kB"
