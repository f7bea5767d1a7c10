"""`dataengine run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from dataengine.commands.validate import warn_of_other_models
from dataengine.errors import EngineError, HeadLostError, StoppedError
from dataengine.licences import refuse_non_commercial
from dataengine.pipeline import Pipeline
from dataengine.report.formats import span_of_time
from dataengine.stopping import on_sigterm, stop_at_once

if TYPE_CHECKING:
    from dataengine.runner import RunSummary


def run(
    path: Path,
    run_dir: str | None,
    overrides: Sequence[str],
    stage_sources: Sequence[str],
    limit: int | None,
    address: str | None,
    fork: str | None,
    delta: str | None,
    delta_margin: float | None,
    commercial_only: bool,
    as_json: bool,
) -> None:
    """Run a pipeline, write its report, and print what came of it."""
    with engine_errors(), on_sigterm(stop_at_once):
        pipeline = Pipeline.load(path, overrides, stage_sources)
        if commercial_only:
            refuse_non_commercial(pipeline)
        warn_of_other_models(pipeline)
        from dataengine.report.page import write_report  # the engine takes a second to import
        from dataengine.runner import run as run_pipeline

        summary = run_pipeline(
            pipeline,
            run_dir or f"runs/{path.stem}",
            limit=limit,
            address=address,
            fork=fork,
            delta=delta,
            delta_margin=delta_margin,
        )
        page = write_report(summary.run_dir)
    if as_json:
        print(summary.to_json())
    else:
        Console().print(summary_table(summary, page))


@contextmanager
def engine_errors() -> Iterator[None]:
    """Answer with one line when the engine was stopped (exit code 0) or could not go on (1)."""
    try:
        yield
    except StoppedError as stopped:
        print("dataengine: stopped as asked; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(0) from stopped
    except EngineError as error:
        print(f"dataengine: {error}", file=sys.stderr, flush=True)
        if isinstance(error, HeadLostError):  # at exit Ray would wait for the head, and say so all the while
            os._exit(1)
        raise typer.Exit(1) from error


def summary_table(summary: RunSummary, page: str) -> Table:
    """The numbers of a run and where to look at it."""
    counts = summary.counts
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column()
    table.add_row("windows", f"{counts.units:,}", f"{counts.audio_seconds / 3600:.2f} h of audio")
    if counts.reused:
        table.add_row("taken over", f"{counts.reused:,}", "windows, from an earlier run")
    table.add_row("candidates", f"{counts.candidates:,}", f"{counts.empty:,} windows had none")
    table.add_row("kept", f"[green]{counts.kept:,}", f"{counts.kept_seconds / 3600:.2f} h")
    table.add_row("rejected", f"{counts.rejected:,}", f"{counts.retained:,} retained for a later selection")
    table.add_row("failed", f"[red]{counts.failed:,}" if counts.failed else "0", "")
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in summary.left_out.items())
    table.add_row("packed", f"{summary.packed:,}", f"left out: {left_out}" if left_out else "")
    table.add_row("shards", f"{summary.shards:,}", f"{summary.shard_bytes / 1e6:.1f} MB")
    table.add_row("time", f"{summary.seconds:,.1f} s", _speed(summary))
    if summary.seconds_per_kept_hour:
        cost = span_of_time(sum(summary.seconds_per_kept_hour.values()))
        table.add_row("cost", cost, "of a worker for each kept hour")
    table.add_row("run", "", summary.run_dir)
    table.add_row("report", "", page)
    return table


def _speed(summary: RunSummary) -> str:
    rate = f"{summary.counts.units / summary.seconds:.1f} windows/s" if summary.seconds else ""
    if summary.speed_of_light is None:
        return rate
    return f"{rate}, {summary.speed_of_light:.0%} of it inside models"
