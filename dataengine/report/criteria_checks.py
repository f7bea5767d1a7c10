"""A sample's scores against the thresholds of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.engine.database import quoted
from stages.criteria import NOT, Criterion


@dataclass(frozen=True)
class Check:
    """One criterion and what it says of one sample."""

    name: str
    score: str
    value: float | None
    """None: not computed."""
    comparison: str
    """`>` or `<`."""
    threshold: float
    when: str | None
    applies: bool
    passed: bool
    """True where the criterion does not apply."""
    evaluated: bool = True
    """False where a cascade gave the sample up before the score was computed."""


def comparison_sign(criterion: Criterion) -> str:
    """`>` where a passing score lies above the threshold, else `<`."""
    return ">" if criterion.comparison == "above" else "<"


def applies_in_sql(criterion: Criterion) -> str:
    """SQL condition for the rows that a criterion asks; like in the filter, it asks where `when` is null."""
    if criterion.when is None:
        return "true"
    column = quoted(criterion.columns[1])
    return f"NOT coalesce({column}, false)" if criterion.when.startswith(NOT) else f"coalesce({column}, true)"


def checks_of(row: Mapping[str, Any], criteria: Sequence[Criterion]) -> list[Check]:
    """Hold a row of the samples table against criteria, by the code that decides in a run."""
    return [_check(row, criterion) for criterion in criteria]


def _check(row: Mapping[str, Any], criterion: Criterion) -> Check:
    columns = {name: [row.get(name)] for name in criterion.columns}
    without_score = {**columns, criterion.score: [None]}
    return Check(
        name=criterion.name,
        score=criterion.score,
        value=row.get(criterion.score),
        comparison=comparison_sign(criterion),
        threshold=criterion.threshold,
        when=criterion.when,
        applies=bool(criterion.failures(without_score)[0]),  # a missing score fails wherever it is asked for
        passed=not criterion.failures(columns)[0],
        evaluated=criterion.name not in (row.get("criteria_not_evaluated") or ()),
    )
