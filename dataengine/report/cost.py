"""What a kept hour of audio costs, by stage, and what candidates cost that are not kept, by criterion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from dataengine.report.run_directory import CANDIDATE, RunDirectory
from dataengine.report.speed import Speed, speed_of

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class StageCost:
    """One stage, over all workers."""

    stage: str
    seconds: float
    per_kept_hour: float | None
    """Seconds of a worker for each hour of kept audio; None if nothing is kept."""


@dataclass(frozen=True)
class CriterionCost:
    """The candidates that fail a criterion, and the stages' time that was spent on them."""

    name: str
    candidates: int
    seconds: float
    alone: int
    """Those of them that fail no other criterion."""
    seconds_alone: float


@dataclass(frozen=True)
class Cost:
    """Where a run's time went, seen from what it kept. Seconds are those of one worker."""

    kept_seconds: float
    """Of audio; a window that gave two samples counts twice."""
    per_kept_hour: float | None
    """Of all workers' time, the part outside stages among it."""
    stages: tuple[StageCost, ...]
    kept_candidates_seconds: float
    """Stages' time spent on candidates that were kept."""
    criteria: tuple[CriterionCost, ...]
    """The dearest first. A candidate that fails several counts for each."""


def cost_of(run: RunDirectory) -> Cost:
    """Divide a run's time by what it kept, and among its candidates.

    A stage's time is shared evenly by the candidates that got to it; that of stages before candidates are
    proposed by all candidates of the run. What a fork took over costs it nothing.
    """
    speed = speed_of(run)
    ((kept_seconds,),) = run.query("SELECT coalesce(sum(duration), 0) FROM samples WHERE kept")
    costs = _seconds_by_end(run, speed)
    ends = run.query(f"SELECT {_end(run)}, count(*) FROM samples WHERE kept GROUP BY ALL")  # noqa: S608
    return Cost(
        kept_seconds=kept_seconds,
        per_kept_hour=per_kept_hour(speed.worker_seconds, kept_seconds),
        stages=tuple(
            StageCost(stage.stage, stage.seconds, per_kept_hour(stage.seconds, kept_seconds))
            for stage in speed.stages
        ),
        kept_candidates_seconds=sum(count * costs[end] for end, count in ends),
        criteria=_criteria_costs(run, costs),
    )


def per_kept_hour(seconds: float, kept_seconds: float) -> float | None:
    """Seconds for each hour of kept audio; None if nothing is kept."""
    return seconds * SECONDS_AN_HOUR / kept_seconds if kept_seconds else None


def _end(run: RunDirectory) -> str:
    """SQL for the stage at which a row left the pipeline."""
    return "last_stage" if "last_stage" in run.columns else "NULL"


def _seconds_by_end(run: RunDirectory, speed: Speed) -> Mapping[str | None, float]:
    """For each stage that candidates left the pipeline at, and for its end, the seconds that one of them took."""
    found = run.query(f"SELECT {_end(run)}, count(*) FROM samples WHERE kind <> 'unit' GROUP BY ALL")  # noqa: S608
    order = {name: place for place, name in enumerate(run.stage_names)}
    places = {end: order.get(end, len(order)) for end, _ in found}
    costs: dict[str | None, float] = defaultdict(float)
    for stage in speed.stages:
        place = order.get(stage.stage, len(order))
        reached = sum(count for end, count in found if places[end] >= place)
        for end in places:
            if places[end] >= place:
                costs[end] += stage.seconds / reached
    return costs


def _criteria_costs(run: RunDirectory, costs: Mapping[str | None, float]) -> tuple[CriterionCost, ...]:
    found = run.query(
        f"""
        SELECT name, ended, count(*), count(*) FILTER (failed = 1)
        FROM (SELECT unnest(failed_criteria) AS name, len(failed_criteria) AS failed, {_end(run)} AS ended
              FROM samples WHERE {CANDIDATE} AND NOT kept)
        GROUP BY ALL
        """  # noqa: S608
    )
    names = dict.fromkeys(name for name, *_ in found)
    criteria = []
    for wanted in names:
        rows = [row[1:] for row in found if row[0] == wanted]
        criteria.append(
            CriterionCost(
                name=wanted,
                candidates=sum(count for _, count, _ in rows),
                seconds=sum(count * costs[end] for end, count, _ in rows),
                alone=sum(alone for *_, alone in rows),
                seconds_alone=sum(alone * costs[end] for end, _, alone in rows),
            )
        )
    return tuple(sorted(criteria, key=lambda each: (-each.seconds, each.name)))
