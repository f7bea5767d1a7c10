"""Cascades: scores in the order in which they reject candidates most cheaply, and no more of them than it takes.

With `scores: all`, the default, every candidate gets every score, so that every criterion it failed is known and
`dataengine select` can decide anew. With `scores: cascade` a candidate that can neither be kept nor retained
any more gets no further scores. What is kept and retained is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, cast

import pyarrow as pa

from dataengine.engine.reuse import gives_verdicts
from dataengine.engine.stage import Stage
from dataengine.errors import UserError
from manifests.schema import is_heavy
from stages.criteria import Mask
from stages.screen import Screen

CASCADE = "cascade"

MEASURED_CANDIDATES = 100_000
"""Candidates of the measured run that the order is found on."""


class Screening(Protocol):
    """A stage that can say early what its verdict will be, as `filter` can."""

    def screen(self, known: Collection[str]) -> Screen:
        """What can be said of candidates when these columns are known."""
        ...


def screens_of(stages: Sequence[Stage]) -> dict[str, Screen]:
    """What gives candidates up early, by the stage after which it does.

    There is a screen wherever a stage makes it possible to evaluate more criteria than before.

    Raises:
        UserError: no stage can say early what its verdict will be.
    """
    end = _place_of_the_verdict(stages)
    first = max((place for place, stage in enumerate(stages[:end]) if stage.proposes), default=0)
    screens: dict[str, Screen] = {}
    evaluated = 0
    for place in range(first, end - 1):  # right before the verdict a screen would spare nothing
        screen = _screen(stages[end], _known_after(stages[:end], place))
        if screen.evaluated > evaluated:
            evaluated = screen.evaluated
            screens[stages[place].name()] = screen
    return screens


def cheapest_order(stages: Sequence[Stage], measured: str) -> tuple[Stage, ...]:
    """The stages, with the scores before the verdict in the order of cost per rejection.

    Each time that stage comes next that takes the fewest seconds for each candidate it lets give up, among the
    candidates that are left, as an earlier run has measured them. Stages that let none give up come last, as
    they were listed. The order depends on nothing but the stages and the run.

    Args:
        stages: of the pipeline, bound.
        measured: path or URL of a run with `scores: all`.

    Raises:
        UserError: there is no such run, or it lacks a stage or a score.
    """
    end = _place_of_the_verdict(stages)
    begin = _first_score(stages, end)
    known = _known_after(stages[:end], begin - 1)
    run = _Measured(measured, _screen(stages[end], _known_after(stages[:end], end - 1)))
    left = ~run.hopeless(_screen(stages[end], known))
    waiting, order = list(stages[begin:end]), list[Stage]()
    while waiting:
        unwritten = {name for stage in waiting for name in stage.columns_added()}
        ready = [
            stage
            for stage in waiting
            if not (unwritten - set(stage.columns_added())) & set(stage.columns_read())
        ]
        given_up = [
            left & run.hopeless(_screen(stages[end], known | set(stage.columns_added()))) for stage in ready
        ]
        costs = [run.cost(stage, left, each) for stage, each in zip(ready, given_up, strict=True)]
        best = costs.index(min(costs))
        left &= ~given_up[best]
        known |= set(ready[best].columns_added())
        waiting.remove(ready[best])
        order.append(ready[best])
    return (*stages[:begin], *order, *stages[end:])


def _place_of_the_verdict(stages: Sequence[Stage]) -> int:
    for place, stage in enumerate(stages):
        if hasattr(stage, "screen"):
            return place
    raise UserError(
        "a cascade needs a stage that gives verdicts by criteria: list `filter`, or `scores: all`"
    )


def _screen(judge: Stage, known: Collection[str]) -> Screen:
    return cast("Screening", judge).screen(known)


def _known_after(stages: Sequence[Stage], place: int) -> set[str]:
    """Columns that have their final value once the stage at `place` is through; −1 is before the first."""
    written = [set(stage.columns_added()) for stage in stages]
    start = set(stages[0].context.schema)
    return start.union(*written[: place + 1]).difference(*written[place + 1 :])


def _first_score(stages: Sequence[Stage], end: int) -> int:
    """Where the stages begin that stand right before the verdict and only add what a table holds."""
    begin = end
    while begin and _is_score(stages[begin - 1]):
        begin -= 1
    return begin


def _is_score(stage: Stage) -> bool:
    writes_waveforms = any(is_heavy(kind) for kind in stage.columns_added().values())
    return not (stage.proposes or writes_waveforms or gives_verdicts(stage))


class _Measured:
    """What an earlier run took for each stage, and what its candidates scored."""

    def __init__(self, place: str, whole: Screen) -> None:
        """`whole` evaluates all criteria: the columns that it reads must be there."""
        from dataengine.engine.database import quoted
        from dataengine.report.run_directory import CANDIDATE, RunDirectory

        run = RunDirectory.at(place)
        if run.facts["pipeline"].get("scores") == CASCADE:
            raise UserError("this run is itself a cascade, and lacks scores; name one with all", where=place)
        columns = whole.filters.columns
        if missing := [name for name in columns if name not in run.columns]:
            raise UserError(f"this run has no {', '.join(missing)}; name one that has", where=place)
        rows = run.query(
            f"SELECT sample_id, {', '.join(map(quoted, columns))} FROM samples WHERE {CANDIDATE} "  # noqa: S608
            f"ORDER BY sample_id LIMIT {MEASURED_CANDIDATES}"
        )
        if not rows:
            raise UserError("this run has no candidates to measure by", where=place)
        self._ids, *values = (list(column) for column in zip(*rows, strict=True))
        self._columns = {
            name: pa.array(column, run.columns[name]) for name, column in zip(columns, values, strict=True)
        }
        work = run.query("SELECT stage, sum(seconds), sum(rows_in) FROM work GROUP BY stage")
        self._seconds = {stage: seconds / count for stage, seconds, count in work if count}
        self._place = place

    def hopeless(self, screen: Screen) -> Mask:
        """[candidates], true for those that the screen gives up."""
        return screen.hopeless(self._columns, self._ids)

    def cost(self, stage: Stage, left: Mask, given_up: Mask) -> float:
        """Seconds of a stage, on the candidates that are left, for each that is given up after it."""
        if stage.name() not in self._seconds:
            raise UserError(f"this run has not measured stage {stage.name()!r}", where=self._place)
        rejections = int(given_up.sum())
        return self._seconds[stage.name()] * int(left.sum()) / rejections if rejections else float("inf")
