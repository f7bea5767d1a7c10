"""`dataengine plan`."""

from __future__ import annotations

import json
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
from dataengine.engine.grouping import group_stages
from dataengine.engine.probe import ProbeResult, probe
from dataengine.pipeline import Pipeline
from manifests.tables import open_table


@dataclass(frozen=True)
class ExpectedWork:
    """What a run would have to do."""

    units: int
    unreadable: int
    hours: float
    slices: int
    seconds: float | None
    """Expected wall time on this machine; None if nothing was measured."""


def plan(
    file: Path, overrides: Sequence[str], stages: Sequence[str], units: int | None, as_json: bool
) -> None:
    """Print the worker groups and the work there is; with `units`, measure that many. Raises UserError."""
    pipeline = Pipeline.load(file, overrides, stages)
    groups = group_stages(pipeline.stages, pipeline.engine.groups)
    pools = plan_pools(groups, ClusterSize(os.cpu_count() or 1, 0), pipeline.engine.workers)
    console = Console(stderr=True)
    measured = None
    if units:
        with console.status(f"measuring {units} windows …"):
            measured = probe(groups, pipeline.input, units, pipeline.engine.micro_batch_units)
    expected = _expected(pipeline, pools, measured)
    if as_json:
        print(json.dumps(_as_plain(expected, pools, measured), indent=2))
        return
    _show(Console(), expected, pools, measured)


def _expected(pipeline: Pipeline, pools: Sequence[Pool], measured: ProbeResult | None) -> ExpectedWork:
    units, unreadable, seconds_of_audio = 0, 0, 0.0
    with open_table(pipeline.input) as manifest:
        for batch in manifest.iter_batches(columns=["duration", "error_type"]):
            units += batch.num_rows
            unreadable += batch.num_rows - batch.column("error_type").null_count
            seconds_of_audio += pc.sum(batch.column("duration")).as_py() or 0.0
    seconds = None
    if measured:
        slowest = max(_seconds_of(pool, measured) / pool.workers for pool in pools)
        seconds = measured.setup_seconds + slowest * units / measured.units
    return ExpectedWork(
        units, unreadable, seconds_of_audio / 3600, -(-units // pipeline.engine.slice_units), seconds
    )


def _seconds_of(pool: Pool, measured: ProbeResult) -> float:
    return sum(entry.seconds for entry in measured.work if entry.group == pool.group.name)


def _as_plain(expected: ExpectedWork, pools: Sequence[Pool], measured: ProbeResult | None) -> dict[str, Any]:
    return {
        **asdict(expected),
        "groups": [
            {
                "stages": [stage.name() for stage in pool.group.stages],
                "workers": pool.workers,
                "cpus": pool.group.resources.cpus,
                "gpus": pool.group.resources.gpus,
            }
            for pool in pools
        ],
        "measured": asdict(measured) if measured else None,
    }


def _show(
    console: Console, expected: ExpectedWork, pools: Sequence[Pool], measured: ProbeResult | None
) -> None:
    console.print(
        f"[bold]{expected.units:,}[/] windows, {expected.hours:,.2f} h, in {expected.slices:,} slices"
        + (f"; {expected.unreadable:,} cannot be read" if expected.unreadable else "")
    )
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("group")
    table.add_column("stage")
    for heading in ("workers", "CPUs each", "GPUs each", "rows", "ms a row", "share"):
        table.add_column(heading, justify="right")
    for number, pool in enumerate(pools, start=1):
        needs = pool.group.resources
        for position, stage in enumerate(pool.group.stages):
            head = (str(number), str(pool.workers), f"{needs.cpus:g}", f"{needs.gpus:g}")
            group, *resources = head if position == 0 else ("", "", "", "")
            table.add_row(group, stage.name(), *resources, *_cost(stage.name(), measured))
    console.print(table)
    if expected.seconds is not None:
        console.print(f"about [bold]{_spoken(expected.seconds)}[/] on this machine")
    else:
        console.print("[dim]--probe 16 measures a few windows and tells how long it will take")


def _cost(stage: str, measured: ProbeResult | None) -> tuple[str, str, str]:
    entry = next((entry for entry in measured.work if entry.stage == stage), None) if measured else None
    if measured is None or entry is None or not entry.rows_in:
        return "", "", ""
    share = entry.seconds / (measured.seconds_a_unit * measured.units)
    return f"{entry.rows_in:,}", f"{entry.seconds / entry.rows_in * 1e3:,.1f}", f"{share:.0%}"


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:,.1f} h"
