"""`dataengine status`."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console, Group
from rich.table import Table

from dataengine.report.formats import count, hours, printable, rate, share, span_of_time
from dataengine.report.status import RunStatus, status_of


def status(run_dir: str, as_json: bool) -> None:
    """Print how far a run is. Raises UserError if there is none."""
    found = status_of(run_dir)
    if as_json:
        print(found.to_json())
    else:
        Console().print(Group(_summary(found), "", _stages(found)))


def _summary(found: RunStatus) -> Table:
    counts = found.counts
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column()
    table.add_row("run", "", found.run_dir)
    table.add_row("state", "", _state(found))
    table.add_row("slices", f"{count(found.slices_done)} of {count(found.slices)}", _pace(found))
    table.add_row(
        "windows", f"{count(counts.units)} of {count(found.units)}", share(counts.units, found.units)
    )
    table.add_row("candidates", count(counts.candidates), f"{count(counts.empty)} windows had none")
    table.add_row(
        "kept",
        f"[green]{count(counts.kept)}",
        f"{share(counts.kept, counts.candidates)}, {hours(counts.kept_seconds)}",
    )
    table.add_row(
        "rejected", count(counts.rejected), f"{count(counts.retained)} retained for a later selection"
    )
    table.add_row("failed", f"[red]{count(counts.failed)}" if counts.failed else "0", _retry_hint(found))
    if found.selections:
        table.add_row("selections", count(len(found.selections)), printable(", ".join(found.selections)))
    return table


def _retry_hint(found: RunStatus) -> str:
    again = found.counts.failed and found.state == "finished"
    return f"once the cause is mended: dataengine retry {found.run_dir}" if again else ""


def _state(found: RunStatus) -> str:
    at = f", last slice {_ago(found.last_activity)}" if found.last_activity else ", no slice done yet"
    labelled = found.slices_done == found.slices
    if found.writer:
        doing = "making samples and shards" if labelled else "running"
        return f"[bold]{doing}[/]: process {found.writer.pid} on {found.writer.host}{at}"
    if found.state == "finished":
        return f"[green]finished[/]{at}"
    todo = "samples and shards" if labelled else "slices"
    return f"[yellow]stopped[/]{at}; {todo} are still to be made: run the same command again"


def _pace(found: RunStatus) -> str:
    if not found.units_per_second or found.state == "finished":
        return ""
    left = f", about {span_of_time(found.seconds_left)} left" if found.seconds_left is not None else ""
    return f"{rate(found.units_per_second)} windows/s{left}"


def _ago(moment: float) -> str:
    return f"{span_of_time(max(0.0, datetime.now().timestamp() - moment))} ago"


def _stages(found: RunStatus) -> Table:
    spent = sum(stage.seconds for stage in found.stages)
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("stage")
    for heading in ("rows", "rows/s", "stopped", "failed", "time", "in models", "a kept hour"):
        table.add_column(heading, justify="right")
    for stage in found.stages:
        table.add_row(
            stage.stage,
            count(stage.rows),
            rate(stage.rows_per_second),
            count(stage.rejected),
            f"[red]{count(stage.failed)}" if stage.failed else "0",
            share(stage.seconds, spent),
            share(stage.model_seconds, stage.seconds) if stage.model_seconds else "–",
            span_of_time(cost) if (cost := found.seconds_per_kept_hour[stage.stage]) is not None else "–",
        )
    return table
