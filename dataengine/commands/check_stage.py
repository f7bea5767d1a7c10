"""`dataengine check-stage`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from dataengine.check_stage import StageReport
from dataengine.check_stage import check_stage as try_stage
from dataengine.stage_checks import Cost


def check_stage(
    stage: str,
    parameters: Sequence[str],
    manifest: Path | None,
    pipeline: Path | None,
    windows: int,
    as_json: bool,
) -> None:
    """Try a stage and print what came of it; exits with 1 if it breaks the contract."""
    report = try_stage(stage, parameters, str(manifest) if manifest else None, pipeline, windows)
    if as_json:
        print(report.to_json())
    else:
        _show(report)
    if not report.passed:
        raise typer.Exit(1)


def _show(report: StageReport) -> None:
    console = Console()
    table = Table.grid(padding=(0, 2))
    for check in report.checks:
        mark = "[green]passed" if check.passed else "[red]failed"
        table.add_row(mark, check.name, f"[dim]{check.detail}" if check.passed else check.detail)
    console.print(f"stage [bold]{report.stage}[/] on {report.rows} rows")
    console.print(table)
    if report.cost is not None:
        console.print(_cost(report.cost))


def _cost(cost: Cost) -> str:
    parts = [
        f"{cost.seconds / cost.rows * 1e3:.1f} ms a row",
        f"{cost.audio_seconds / cost.seconds:,.0f} times as fast as the audio plays",
    ]
    if cost.peak_bytes is not None:
        parts.append(f"at most {cost.peak_bytes / 1e6:.1f} MB for {cost.rows} rows")
    return ", ".join(parts)
