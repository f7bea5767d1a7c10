"""`dataengine run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from dataengine.pipeline import Pipeline

if TYPE_CHECKING:
    from dataengine.runner import RunSummary


def run(
    path: Path,
    run_dir: str | None,
    overrides: Sequence[str],
    stage_sources: Sequence[str],
    limit: int | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Run a pipeline, write its report, and print what came of it."""
    pipeline = Pipeline.load(path, overrides, stage_sources)
    from dataengine.engine.execute import EngineError, StoppedError  # the engine takes a second to import
    from dataengine.engine.lease import LeaseLostError
    from dataengine.report.page import write_report
    from dataengine.runner import run as run_pipeline

    try:
        summary = run_pipeline(pipeline, run_dir or f"runs/{path.stem}", limit=limit, address=address)
    except StoppedError:
        print("dataengine: stopped as asked; the same command goes on from here", file=sys.stderr)
        return
    except (EngineError, LeaseLostError) as error:
        print(f"dataengine: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    page = write_report(summary.run_dir)
    if as_json:
        print(summary.to_json())
    else:
        Console().print(_table(summary, page))


def _table(summary: RunSummary, page: str) -> Table:
    counts = summary.counts
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column()
    table.add_row("windows", f"{counts.units:,}", f"{counts.audio_seconds / 3600:.2f} h of audio")
    table.add_row("candidates", f"{counts.candidates:,}", f"{counts.empty:,} windows had none")
    table.add_row("kept", f"[green]{counts.kept:,}", f"{counts.kept_seconds / 3600:.2f} h")
    table.add_row("rejected", f"{counts.rejected:,}", f"{counts.retained:,} retained for a later selection")
    table.add_row("failed", f"[red]{counts.failed:,}" if counts.failed else "0", "")
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in summary.left_out.items())
    table.add_row("packed", f"{summary.packed:,}", f"left out: {left_out}" if left_out else "")
    table.add_row("shards", f"{summary.shards:,}", f"{summary.shard_bytes / 1e6:.1f} MB")
    table.add_row("time", f"{summary.seconds:,.1f} s", _speed(summary))
    table.add_row("run", "", summary.run_dir)
    table.add_row("report", "", page)
    return table


def _speed(summary: RunSummary) -> str:
    rate = f"{summary.counts.units / summary.seconds:.1f} windows/s" if summary.seconds else ""
    if summary.speed_of_light is None:
        return rate
    return f"{rate}, {summary.speed_of_light:.0%} of it inside models"
