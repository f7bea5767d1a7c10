"""The tables that `separation.py` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from dataengine.evaluation.bootstrap import Estimate, Summary
from dataengine.evaluation.separation import Silence
from dataengine.evaluation.separator_study import Gains, Prompts, Quality, Steps


def print_findings(
    console: Console, separator: str, head: Mapping[str, Any], found: Mapping[str, Any]
) -> None:
    """Everything that was looked at."""
    figures = ", ".join(f"{value:,} {name}" for name, value in head.items() if name != "split")
    console.print(f"[bold]{separator}[/] on split {head['split']}: {figures}", highlight=False)
    if found["quality"]:
        for table in _quality(separator, found["quality"]):
            console.print(table)
    if found["silences"]:
        console.print(_silences(found["silences"]))
    if found["prompts"]:
        console.print(_prompts(found["prompts"]))
    if found["steps"]:
        console.print(_steps(found["steps"]))
    for name, reached in found["goals"].items():
        console.print(f"{'[green]reached    ' if reached else '[red]not reached'}[/] {name}", highlight=False)


def _quality(separator: str, quality: Quality) -> list[Table]:
    everything = _table("SI-SDR improvement in dB where target and rest both sound", "contestant", *_GAINS)
    for name, gains in quality.everything.items():
        everything.add_row(name, *_gains(gains))
    grounds = _table("On the specialists' own ground", "specialist", *_GAINS)
    for name, ground in quality.grounds.items():
        grounds.add_row(name, *_gains(ground.specialist))
        grounds.add_row(f"  {separator}", *_gains(ground.separator))
        grounds.add_row("  difference", *_gains(ground.difference), style="bold", end_section=True)
    others = [name for name in next(iter(quality.groups.values())) if name != separator]
    groups = _table(
        f"{separator}, by kind of question; means of the others' targets",
        "questions",
        *_GAINS,
        *(name for name in others if name != "mixture"),
    )
    for name, of_group in quality.groups.items():
        means = [of_group[other].target.mean.value for other in others if other != "mixture"]
        groups.add_row(name, *_gains(of_group[separator]), *map(_number, means))
    return [everything, grounds, groups]


def _silences(silences: Mapping[str, Silence]) -> Table:
    table = _table(
        "Asked for what is not there: the answer against the mixture",
        "contestant",
        "answers",
        "clips",
        "median dB",
        "at least 20 dB below",
    )
    for name, each in silences.items():
        share = f"{each.silent.value:.0%} ({each.silent.low:.0%} to {each.silent.high:.0%})"
        table.add_row(
            name, f"{each.level.rows:,}", f"{each.level.clips:,}", _estimate(each.level.median), share
        )
    return table


def _prompts(prompts: Prompts) -> Table:
    table = _table("What prompts do", "", *_GAINS)
    for name, gains in {
        "asked by its caption": prompts.caption,
        "asked by another scene's caption": prompts.shuffled,
        "  difference": prompts.loss,
        "true spans added to the caption: difference": prompts.spans,
    }.items():
        if gains:
            table.add_row(name, *_gains(gains))
    if prompts.removal:
        table.add_row(
            "the other one taken out: difference to asking",
            f"{prompts.removal.rows:,}",
            f"{prompts.removal.clips:,}",
            _estimate(prompts.removal.mean),
            _estimate(prompts.removal.median),
        )
    return table


def _steps(steps: Steps) -> Table:
    table = _table("Solver steps", "steps", *_GAINS)
    for number, gains in steps.gains.items():
        table.add_row(f"{number}{' (knee)' if number == steps.knee else ''}", *_gains(gains))
    return table


_GAINS = ("answers", "clips", "target, mean", "median", "residual, mean", "median")


def _gains(gains: Gains) -> list[str]:
    return [
        f"{gains.target.rows:,}",
        f"{gains.target.clips:,}",
        *(_estimate(each) for summary in (gains.target, gains.residual) for each in _both(summary)),
    ]


def _both(summary: Summary) -> tuple[Estimate, Estimate]:
    return summary.mean, summary.median


def _estimate(each: Estimate) -> str:
    return f"{_number(each.value)} ({_number(each.low)} to {_number(each.high)})"


def _number(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table
