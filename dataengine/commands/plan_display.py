"""What `dataengine plan` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from dataengine.engine.execute import Pool
from dataengine.scale import ScaleEstimate

if TYPE_CHECKING:
    from dataengine.commands.plan import ExpectedWork, Measurement


def show_work(console: Console, expected: ExpectedWork) -> None:
    """How much there is."""
    console.print(
        f"[bold]{expected.units:,}[/] windows, {expected.hours:,.2f} h, in {expected.slices:,} slices"
        + (f"; {expected.unreadable:,} cannot be read" if expected.unreadable else "")
    )


def show_groups(console: Console, pools: Sequence[Pool], measurement: Measurement | None) -> None:
    """Who does what, and what it costs."""
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
    if measurement:
        table.add_row(
            "", "[dim]encoding, commit", "", "", "", f"{measurement.rates.commit_seconds * 1e3:,.1f}"
        )
    console.print(table)


def _cost(stage: str, measurement: Measurement | None) -> tuple[str, str]:
    if measurement is None:
        return "", ""
    seconds = measurement.rates.stage_seconds
    return f"{seconds[stage] * 1e3:,.1f}", f"{seconds[stage] / (sum(seconds.values()) or 1.0):.0%}"


def show_estimate(console: Console, measurement: Measurement, found: ScaleEstimate, cluster: str) -> None:
    """How long it takes, step by step, and what it leaves."""
    console.print(f"[dim]measured: {measurement.source}")
    if measurement.to_fill:
        console.print(f"[dim]busy cores are slower: --probe {measurement.to_fill} has all of them at work")
    console.print()
    console.print(_steps(measurement, found))
    console.print(f"[dim]steps of the driver: rehearsed here, in {measurement.driver.folder}")
    console.print()
    console.print(f"about [bold]{_spoken(found.hours * 3600)}[/] on {cluster}")
    costs = f"{found.cpu_hours:,.1f} CPU-hours of workers"
    costs += f", {found.gpu_hours:,.1f} GPU-hours" if found.gpu_hours else ""
    console.print(costs)
    console.print(
        f"{found.node_hours:,.1f} node-hours, {found.node_hours_to_label:,.1f} of them until all is labelled"
    )
    if len(found.groups) > 1:
        console.print(f"all wait for {found.limiting}")
    if found.storage and found.kept_hours:
        stored = found.storage
        console.print(
            f"{_bytes(stored.total)}: parts {_bytes(stored.parts)}, samples {_bytes(stored.samples)}, "
            f"shards {_bytes(stored.shards)}"
        )
        console.print(
            f"{_bytes(stored.total / found.kept_hours)} for each of {found.kept_hours:,.1f} kept hours"
        )


def _steps(measurement: Measurement, found: ScaleEstimate) -> Table:
    rates, driver, steps = measurement.rates, measurement.driver, found.steps
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("step")
    table.add_column("time", justify="right")
    table.add_column("by")
    table.add_column("at")
    start = f"{driver.planning.each * 1e6:,.1f} µs a window, {rates.start_seconds:.0f} s for Ray and models"
    seconds = sum(rates.stage_seconds.values()) + rates.commit_seconds
    labelling = f"{seconds * 1e3:,.1f} ms a window, {rates.ray_seconds * 1e3:,.0f} ms of Ray a slice"
    finishing = f"{driver.finishing.each * 1e6:,.1f} µs a row, {rates.rows:,.1f} a window"
    rows = (
        ("start", steps.start, "the driver", start),
        ("labelling", steps.labelling, "all workers", labelling),
        ("finishing", steps.finishing, "the driver", finishing),
        ("packing", steps.packing, "all nodes" if found.nodes > 1 else "the driver", _packing(measurement)),
    )
    for name, hours, by, at in rows:
        table.add_row(name, "?" if hours is None else _spoken(hours * 3600), by, at)
    return table


def _packing(measurement: Measurement) -> str:
    stored, packing = measurement.rates.shard_bytes, measurement.driver.packing
    if stored is None:
        return "unknown: the run that was measured is not finished"
    if not stored or packing is None:
        return "nothing was packed in what was measured"
    return f"{1e-6 / packing.each:,.0f} MB a second, {stored / 1e3:,.1f} kB a window"


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
