"""`dataengine compare`."""

from __future__ import annotations

import json

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dataengine.report.comparison import Comparison, Crossing, Flip, compare
from dataengine.report.formats import count, printable
from dataengine.report.run_directory import RunDirectory


def compare_runs(first: str, second: str, tolerance: float, as_json: bool) -> None:
    """Print where two runs differ; exit code 1 if they differ by more than the tolerance. Raises UserError."""
    found = compare(RunDirectory.at(first), RunDirectory.at(second), tolerance)
    if as_json:
        print(json.dumps(found.as_plain(), indent=2))
    else:
        Console().print(Group(*_told(found)))
    raise typer.Exit(0 if found.agree else 1)


def _told(found: Comparison) -> list[RenderableType]:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column()
    alone = f"{count(found.only_in_first)} in the first alone, {count(found.only_in_second)} in the second"
    table.add_row("samples", count(found.samples), f"in both; {alone}")
    table.add_row("status", count(found.other_status), "done in one and failed in the other")
    near = f"{count(found.flips - found.far)} of them at a threshold"
    table.add_row("verdicts", count(found.flips), f"flipped, {near}")
    if found.scores_of_one:
        table.add_row(
            "scores", count(len(found.scores_of_one)), f"of one run alone: {', '.join(found.scores_of_one)}"
        )
    said = "agree" if found.agree else "differ"
    table.add_row("the runs", said, f"a score may differ by {found.tolerance:g} of itself, or of 1")
    parts: list[RenderableType] = [table, "", _scores(found)]
    if found.flips:
        parts += ["", _flips([*found.far_flips, *found.near_flips])]
    return parts


def _scores(found: Comparison) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("score")
    table.add_column("largest difference", justify="right")
    table.add_column("in one run alone", justify="right")
    for drift in found.drifts:
        largest = f"{drift.largest:.1e}"
        shown = f"[red]{largest}" if drift.largest > found.tolerance else largest
        table.add_row(
            Text(printable(drift.score)), shown, f"[red]{drift.one_sided}" if drift.one_sided else "0"
        )
    return table


def _flips(flips: list[Flip]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("sample", "prompt", "kept by", "because of"):
        table.add_column(heading, overflow="fold")
    for flip in flips:
        crossings = ", ".join(map(_in_words, flip.crossings)) or "other criteria"
        kept_by = "the first" if flip.kept_by_first else "the second"
        table.add_row(
            flip.sample_id[:12], Text(printable(flip.text or "")), kept_by, Text(printable(crossings))
        )
    return table


def _in_words(crossing: Crossing) -> str:
    first, second = ("none" if each is None else f"{each:.5g}" for each in (crossing.first, crossing.second))
    return f"{crossing.criterion} {first} → {second}, threshold {crossing.threshold:g}"
