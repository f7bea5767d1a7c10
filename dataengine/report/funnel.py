"""How many windows and candidates are left after each step, from planned to packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataengine.report.criteria_checks import comparison_sign
from dataengine.report.run_directory import CANDIDATE, RunDirectory
from stages.criteria import Criterion


@dataclass(frozen=True)
class Step:
    """One criterion and the candidates it stops."""

    name: str
    condition: str
    """The criterion in signs, with when it applies; empty for one that is not in the filter file."""
    remaining: int
    """Candidates that pass this criterion and all before it."""
    removed: int
    """Candidates that pass all before it and fail this one."""
    failing: int
    """Candidates that fail it, whatever the others say."""
    failing_alone: int
    """Candidates that fail it and no other: what dropping it would add."""


@dataclass(frozen=True)
class Funnel:
    """A run's selection, step by step."""

    units: int
    failed_units: int
    empty_units: int
    units_with_candidates: int
    candidates: int
    failed_candidates: int
    steps: tuple[Step, ...]
    kept: int
    retained: int
    """Rejected candidates whose audio is stored for a later selection."""
    given_up: int
    """Candidates that a cascade gave up before all criteria were evaluated."""
    left_out: tuple[tuple[str, int], ...]
    """Kept samples that are in no shard, by reason."""

    @property
    def packed(self) -> int:
        """Samples in shards."""
        return self.kept - sum(count for _, count in self.left_out)


def funnel_of(run: RunDirectory) -> Funnel:
    """Count a run's rows in one pass over its verdicts."""
    not_evaluated = "criteria_not_evaluated" if "criteria_not_evaluated" in run.columns else "NULL"
    (
        (
            units,
            failed_units,
            empty,
            with_candidates,
            candidates,
            failed_candidates,
            kept,
            retained,
            given_up,
        ),
    ) = run.query(
        f"""
        SELECT count(DISTINCT unit_id),
               count(*) FILTER (status = 'failed' AND kind = 'unit'),
               count(*) FILTER (status = 'empty'),
               count(DISTINCT unit_id) FILTER ({CANDIDATE}),
               count(*) FILTER ({CANDIDATE}),
               count(*) FILTER (status = 'failed' AND kind <> 'unit'),
               count(*) FILTER (kept),
               count(*) FILTER (retained AND NOT kept),
               count(*) FILTER ({not_evaluated} IS NOT NULL)
        FROM samples
        """  # noqa: S608
    )
    left_out = run.query(
        "SELECT left_out, count(*) AS n FROM samples WHERE left_out IS NOT NULL GROUP BY ALL ORDER BY n DESC, left_out"
    )
    return Funnel(
        units=units,
        failed_units=failed_units,
        empty_units=empty,
        units_with_candidates=with_candidates,
        candidates=candidates,
        failed_candidates=failed_candidates,
        steps=tuple(_steps(run, candidates)),
        kept=kept,
        retained=retained,
        given_up=given_up,
        left_out=tuple((reason, count) for reason, count in left_out),
    )


def condition_text(criterion: Criterion) -> str:
    """A criterion as one reads it: `speech_target > 0.5 when speech_prompt`."""
    when = f" when {criterion.when}" if criterion.when else ""
    return f"{criterion.score} {comparison_sign(criterion)} {criterion.threshold:.4g}{when}"


def _steps(run: RunDirectory, candidates: int) -> list[Step]:
    names = _names_in_order(run)
    if not names:
        return []
    counts = []
    parameters: list[object] = []
    for place, name in enumerate(names):
        counts.append("count(*) FILTER (NOT list_has_any(failed, ?)), count(*) FILTER (list_contains(failed, ?)), "
                      "count(*) FILTER (len(failed) = 1 AND failed[1] = ?)")  # fmt: skip
        parameters += [names[: place + 1], name, name]
    (figures,) = run.query(
        f"SELECT {', '.join(counts)} FROM "  # noqa: S608
        f"(SELECT coalesce(failed_criteria, []) AS failed FROM samples WHERE {CANDIDATE})",
        parameters,
    )
    conditions = {criterion.name: condition_text(criterion) for criterion in run.criteria}
    steps, before = [], candidates
    for place, name in enumerate(names):
        remaining, failing, alone = figures[3 * place : 3 * place + 3]
        steps.append(Step(name, conditions.get(name, ""), remaining, before - remaining, failing, alone))
        before = remaining
    return steps


def _names_in_order(run: RunDirectory) -> Sequence[str]:
    """Criteria of stages before the filter, which are known from the verdicts alone, then the filter's own."""
    seen = run.query("SELECT DISTINCT unnest(failed_criteria) AS name FROM samples ORDER BY name")
    of_filter = [criterion.name for criterion in run.criteria]
    return [*(name for (name,) in seen if name not in of_filter), *of_filter]
