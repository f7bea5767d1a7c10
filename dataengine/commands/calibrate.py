"""`dataengine calibrate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from dataengine.errors import UserError
from dataengine.evaluation.calibrated_run import write_calibrated_filters
from dataengine.evaluation.calibration import Calibration, CurvePoint, Goal
from dataengine.evaluation.labelled import read_labels
from dataengine.evaluation.truth import judge_run
from dataengine.report.run_directory import RunDirectory


@dataclass(frozen=True)
class Labels:
    """Where the verdicts come from: one of the two."""

    truths: tuple[Path, ...]
    table: Path | None

    @property
    def tables(self) -> tuple[Path, ...]:
        """The files that were given."""
        return self.truths if self.table is None else (self.table,)

    def read(self, run: RunDirectory) -> pa.Table:
        """Which samples are right. Raises UserError unless exactly one source is given."""
        if bool(self.truths) == (self.table is not None):
            raise UserError("say which candidates are right: give one of --truth and --labels")
        return judge_run(run, self.truths) if self.table is None else read_labels(self.table)


def calibrate(
    run_dir: str,
    labels: Labels,
    out: Path,
    template: Path | None,
    scores: Sequence[str],
    goal: Goal,
    as_json: bool,
) -> None:
    """Choose thresholds, write them as a filter file and print what they are worth.

    Ends with exit code 1 if the precision that was asked cannot be reached. Raises UserError.
    """
    run = RunDirectory.at(run_dir)
    criteria = template or _beside(out)
    found = write_calibrated_filters(run, labels.read(run), labels.tables, criteria, scores, goal, out)
    _print(found, out, as_json)
    if not found.reached:
        raise typer.Exit(1)


def _beside(out: Path) -> Path:
    if not out.is_file():
        raise UserError(
            f"{out} does not exist yet; say with --criteria which filter file names the scores and directions"
        )
    return out


def _print(found: Calibration, out: Path, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {"file": str(out), "reached": found.reached, **asdict(found)}, indent=2, default=_plain
            )
        )
        return
    console = Console()
    console.print(_summary(found))
    for warning in _warnings(found):
        console.print(f"[yellow]{warning}", highlight=False)
    console.print(f"written: {out}", highlight=False)


def _plain(value: object) -> object:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else str(value)


def _summary(found: Calibration) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("candidates", "labelled", "right", "kept", "precision", "bound", "yield"):
        table.add_column(title, justify="left" if title == "candidates" else "right")
    for group in found.groups:
        table.add_row(group.when or "all", f"{group.rows:,}", f"{group.right:,}", *_figures(group.chosen))
    if len(found.groups) > 1:
        rows, right = (sum(getattr(group, name) for group in found.groups) for name in ("rows", "right"))
        table.add_row("all", f"{rows:,}", f"{right:,}", *_figures(found.overall), style="bold")
    return table


def _figures(point: CurvePoint | None) -> tuple[str, ...]:
    if point is None:
        return ("none", "", "", "")
    return (
        f"{point.kept:,.0f}",
        f"{point.precision:.3f}",
        f"{point.bound:.3f}",
        f"{point.kept_of_right:.0%}",
    )


def _warnings(found: Calibration) -> Iterator[str]:
    asked = f"a precision of {found.goal.precision:g} cannot be shown at a confidence of {found.goal.confidence:g}"
    for group in found.groups:
        highest = max((point.bound for point in group.curve), default=0.0)
        if highest >= found.goal.precision:
            continue
        where = f"where {group.when}, " if group.when else ""
        end = (
            "nothing of these is kept"
            if group.chosen is None
            else "these are the thresholds that come nearest"
        )
        yield f"{where}{asked}: the highest lower bound is {highest:.3f}; {end}"
