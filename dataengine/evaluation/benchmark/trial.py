"""Separators on a benchmark, beside baselines: who is asked what, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dataengine.evaluation.baselines import MIXTURE, RATIO_MASK
from dataengine.evaluation.benchmark.items import Benchmark
from dataengine.evaluation.benchmark.measures import (
    MEASURES,
    SI_SDR,
    SILENCE,
    TEXT,
    TRUE_STEMS,
    VISUAL,
    Measure,
)
from dataengine.evaluation.benchmark.results import ALL_TASKS, Row, Table, Wins
from dataengine.evaluation.benchmark.settings import PromptKind, Setting, Task
from dataengine.evaluation.benchmark.win_rate import NetWinRate, net_win_rate
from dataengine.evaluation.bootstrap import ClipBootstrap, Summary
from dataengine.evaluation.contest import Contest, Entry
from dataengine.evaluation.contestants import Contestant
from dataengine.evaluation.questions import Question
from dataengine.evaluation.separation import Silence, silence

BASELINES = (MIXTURE, RATIO_MASK)


@dataclass(frozen=True)
class Trial:
    """`hold` first; the findings are read from the contest."""

    benchmark: Benchmark
    contest: Contest
    separator: Contestant
    against: Contestant | None
    specialists: Sequence[Contestant]
    roles: Sequence[str]
    """Of the models that say what answers are worth."""

    @property
    def contestants(self) -> list[Contestant]:
        """In the order of tables."""
        against = [] if self.against is None else [self.against]
        return [self.separator, *against, *BASELINES, *self.specialists]

    def hold(self) -> None:
        """Ask everybody everything that was not asked before."""
        everything = [
            *self.benchmark.absent,
            *(q for each in self.benchmark.questions.values() for q in each),
        ]
        everybody = [each for each in self.contestants if each not in self.specialists]
        entries = [Entry(each, everything) for each in everybody]
        self.contest.hold([*entries, *(Entry(each, self._on_ground()) for each in self.specialists)])

    def tables(self) -> list[Table]:
        """One a measure that says something here."""
        return [self._table(each) for each in MEASURES if self.why_not(each) is None]

    def why_not(self, measure: Measure) -> str | None:
        """Why a measure says nothing here; None where it does."""
        if measure.needs == TRUE_STEMS:
            return None if self.benchmark.known else "nobody has the true stems of these recordings"
        if measure.needs is not None and measure.needs not in self.roles:
            return f"the profile has no model for the role {measure.needs}"
        asked = (question for each in self.benchmark.questions.values() for question in each)
        if measure is VISUAL and all(question.video is None for question in asked):
            return "nothing is to be seen in these recordings"
        return None

    def silences(self) -> dict[str, Silence]:
        """Contestant → what it gives for what is not there, of those who were asked."""
        found = ((each.name, silence(self.contest, each, self.benchmark.absent)) for each in self.contestants)
        return {name: each for name, each in found if each is not None}

    def wins(self) -> list[Wins]:
        """The separator over the one it is held against, by each measure that has a better; none without another."""
        other = self.against
        if other is None:
            return []
        measures = [each for each in MEASURES if each.tie is not None and self.why_not(each) is None]
        return [Wins(measure, self._wins(measure, measure.tie or 0.0, other)) for measure in measures]

    @property
    def primary(self) -> Measure:
        """What decides which answers are good; where nothing does, what there is."""
        return next(each for each in (SI_SDR, TEXT, SILENCE) if self.why_not(each) is None)

    def scored(
        self, contestant: Contestant, questions: Sequence[Question], measure: Measure
    ) -> list[tuple[Question, float]]:
        """The questions that a contestant answered and that the measure says something of."""
        answered = ((each, self.contest.worth(contestant, each)) for each in questions)
        values = ((each, measure.value(worth)) for each, worth in answered if worth is not None)
        return [(each, value) for each, value in values if not math.isnan(value)]

    def _on_ground(self) -> list[Question]:
        """What specialists are asked: what they claim to know; where nobody knows the rest, all speech alone."""
        asked = self.benchmark.questions.items()
        known = self.benchmark.known
        questions = [q for setting, each in asked if known or setting.task == Task.SPEECH for q in each]
        return [*self.benchmark.absent, *questions]

    def _groups(self) -> Iterator[tuple[Setting | PromptKind, Sequence[Question]]]:
        """Each setting, and after the last of each kind of prompt all of them."""
        for kind in PromptKind:
            own = {each: q for each, q in self.benchmark.questions.items() if each.prompts == kind}
            yield from own.items()
            if len(own) > 1:
                yield kind, [question for each in own.values() for question in each]

    def _table(self, measure: Measure) -> Table:
        rows = []
        for group, questions in self._groups():
            figures = {each.name: self._summary(each, questions, measure) for each in self.contestants}
            if any(figures.values()):
                rows.append(Row(*_named(group), questions=len(questions), figures=figures))
        return Table(measure, rows)

    def _summary(
        self, contestant: Contestant, questions: Sequence[Question], measure: Measure
    ) -> Summary | None:
        found = self.scored(contestant, questions, measure)
        if not found:
            return None
        return ClipBootstrap([each.clips for each, _ in found]).summary(
            np.array([value for _, value in found])
        )

    def _wins(self, measure: Measure, tie: float, other: Contestant) -> dict[tuple[str, str], NetWinRate]:
        rates = {}
        for group, questions in self._groups():
            theirs = {each.id: value for each, value in self.scored(other, questions, measure)}
            ours = [each for each in self.scored(self.separator, questions, measure) if each[0].id in theirs]
            if ours:
                gaps = [value - theirs[each.id] for each, value in ours]
                rates[_named(group)] = net_win_rate(gaps, [each.clips for each, _ in ours], tie)
        return rates


def _named(group: Setting | PromptKind) -> tuple[str, str]:
    """Task and kind of prompt."""
    return (group.task, group.prompts) if isinstance(group, Setting) else (ALL_TASKS, group)
