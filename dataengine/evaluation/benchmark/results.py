"""What an evaluation came to, as tables and as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dataengine.evaluation.benchmark.measures import Measure
from dataengine.evaluation.benchmark.settings import TITLES, Task
from dataengine.evaluation.benchmark.win_rate import NetWinRate
from dataengine.evaluation.bootstrap import Summary
from dataengine.evaluation.separation import Silence

ALL_TASKS = "all"


@dataclass(frozen=True)
class Row:
    """A setting in a table, or all tasks by one kind of prompt."""

    task: str
    prompts: str
    questions: int
    figures: Mapping[str, Summary | None]
    """Contestant → what it came to; None where it was asked nothing that the measure says something of."""

    @property
    def title(self) -> str:
        """Of the task."""
        return task_title(self.task)

    @property
    def of_all(self) -> bool:
        """Whether it is over all tasks."""
        return self.task == ALL_TASKS


@dataclass(frozen=True)
class Table:
    """Everybody by one measure."""

    measure: Measure
    rows: Sequence[Row]

    @property
    def contestants(self) -> list[str]:
        """Those whom it says something of, in order."""
        names = dict.fromkeys(name for row in self.rows for name in row.figures)
        return [name for name in names if any(row.figures[name] for row in self.rows)]


@dataclass(frozen=True)
class Wins:
    """Net win rates by one measure: (task, prompts) → the rate."""

    measure: Measure
    rates: Mapping[tuple[str, str], NetWinRate]


@dataclass(frozen=True)
class Results:
    """Everything that is reported."""

    benchmark: str
    digest: str
    """Of the questions."""
    sample_rate: int
    contestants: Mapping[str, str]
    """Name → digest: the separator, the one it is held against, then the baselines."""
    separator: str
    against: str | None
    tables: Sequence[Table]
    not_available: Mapping[str, str]
    """Title of a measure → why it says nothing here."""
    silences: Mapping[str, Silence]
    wins: Sequence[Wins]
    left_out: Sequence[tuple[str, str, str]]
    """Task, prompts, and why this was not asked."""
    notes: Sequence[str]
    models: Mapping[str, Any]
    """Role → what provenance says of the model: the separators' and the scorers'."""

    def to_dict(self) -> dict[str, Any]:
        """As `eval.json` holds it; what is not a number is null."""
        plain = {
            "benchmark": {"name": self.benchmark, "digest": self.digest, "sample_rate": self.sample_rate},
            "separator": self.separator,
            "against": self.against,
            "contestants": self.contestants,
            "measures": {each.measure.name: _table(each) for each in self.tables},
            "not_available": self.not_available,
            "absent": {name: asdict(each) for name, each in self.silences.items()},
            "net_win_rate": {each.measure.name: _rates(each) for each in self.wins},
            "left_out": [dict(zip(("task", "prompts", "why"), each, strict=True)) for each in self.left_out],
            "notes": list(self.notes),
            "models": self.models,
        }
        without_nan: dict[str, Any] = _without_nan(plain)
        return without_nan


def task_title(task: str) -> str:
    """As people read it."""
    return "all tasks" if task == ALL_TASKS else TITLES[Task(task)]


def _table(table: Table) -> dict[str, Any]:
    measure = table.measure
    return {
        "title": measure.title,
        "unit": measure.unit,
        "rows": [
            {
                "task": row.task,
                "prompts": row.prompts,
                "questions": row.questions,
                "figures": {name: each and asdict(each) for name, each in row.figures.items()},
            }
            for row in table.rows
        ],
    }


def _rates(wins: Wins) -> list[dict[str, Any]]:
    return [
        {"task": task, "prompts": prompts, "tie": wins.measure.tie, **asdict(rate)}
        for (task, prompts), rate in wins.rates.items()
    ]


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
