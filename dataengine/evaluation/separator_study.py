"""A separator put to the test on true scenes, beside baselines and specialists: what is asked, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from dataengine.evaluation.baselines import BASELINES, MIXTURE
from dataengine.evaluation.bootstrap import Summary
from dataengine.evaluation.contest import Contest, Entry
from dataengine.evaluation.contestants import Contestant
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import (
    Question,
    absences,
    extractions,
    removals,
    with_shuffled_captions,
    with_true_spans,
)
from dataengine.evaluation.separation import (
    RESIDUAL,
    TARGET,
    Silence,
    differences,
    gains,
    groups,
    removal_against_extraction,
    silence,
    summaries,
)
from dataengine.evaluation.true_scenes import TrueScene

KNEE_DB = 0.1
"""So much less than the best number of solver steps is as good."""


@dataclass(frozen=True)
class Gains:
    """SI-SDR improvement over the mixture, dB, where target and rest both sound."""

    target: Summary
    residual: Summary

    @classmethod
    def of(cls, found: Mapping[str, Summary]) -> Gains:
        """From `summaries` or `differences`."""
        return cls(found[TARGET], found[RESIDUAL])


@dataclass(frozen=True)
class OnGround:
    """A specialist and the separator on the questions that the specialist claims to know."""

    specialist: Gains
    separator: Gains
    difference: Gains
    """Of the separator over the specialist, question by question."""


@dataclass(frozen=True)
class Quality:
    """How well sounds are taken apart."""

    everything: Mapping[str, Gains]
    """Contestant → its gains on all that it was asked."""
    grounds: Mapping[str, OnGround]
    """Specialist → its gains beside the separator's."""
    groups: Mapping[str, Mapping[str, Gains]]
    """Kind of question → separator and baselines → gains."""


@dataclass(frozen=True)
class Prompts:
    """What prompts do. Differences are in dB, question by question; None where nothing could be compared."""

    caption: Gains
    """Asked by its caption."""
    shuffled: Gains | None
    """By another scene's caption."""
    loss: Gains | None
    """What that costs."""
    spans: Gains | None
    """What true spans add to the caption."""
    removal: Summary | None
    """How much nearer the truth a sound is when the other one is taken out than when it is asked for."""


@dataclass(frozen=True)
class Steps:
    """What solver steps bring."""

    gains: Mapping[int, Gains]
    knee: int
    """The fewest steps whose mean gain of both stems is within `KNEE_DB` of the best."""


@dataclass(frozen=True)
class SeparatorStudy:
    """What is asked of whom. `ask` first; the findings are read from the contest."""

    contest: Contest
    scenes: Sequence[TrueScene]
    separator: Contestant
    specialists: Sequence[Contestant] = ()
    seen: Set[str] = frozenset()
    """The phrases of all labels that the separator was trained on."""
    closer: int | None = None
    """Prompts and solver steps are looked at on so many scenes, the first ones; None: on all."""
    meanings: PhraseMeanings = field(default_factory=PhraseMeanings.load)

    @cached_property
    def questions(self) -> list[Question]:
        """For what is there."""
        return extractions(self.scenes, self.meanings)

    @cached_property
    def absent(self) -> list[Question]:
        """For what is not."""
        return absences(self.scenes, self.meanings)

    @cached_property
    def few(self) -> list[Question]:
        """For what is there, in the first scenes."""
        return extractions(self.scenes[: self.closer], self.meanings)

    @cached_property
    def shuffled(self) -> list[Question]:
        """`few`, with others' captions."""
        return with_shuffled_captions(self.few, self.meanings)

    def entries_for_quality(self) -> list[Entry]:
        """Everybody is asked for what is there."""
        return [Entry(each, self.questions) for each in self._everybody]

    def entries_for_absent(self) -> list[Entry]:
        """Everybody is asked for what is not there."""
        return [Entry(each, self.absent) for each in self._everybody]

    def entries_for_prompts(self) -> list[Entry]:
        """The separator is asked in other words."""
        return [Entry(self.separator, each) for each in (self.few, self.shuffled, with_true_spans(self.few))]

    def entries_for_steps(self, by_steps: Mapping[int, Contestant]) -> list[Entry]:
        """The separator with each number of solver steps."""
        return [Entry(each, self.few) for each in by_steps.values()]

    def quality(self) -> Quality:
        """Raises ValueError if the mixture itself gains anything: then the measure is wrong."""
        found = {each.name: self._gains(each, self.questions) for each in self._everybody}
        if found[MIXTURE.name][[TARGET, RESIDUAL]].abs().to_numpy().max(initial=0) > 0:
            raise ValueError("the mixture is nearer the truth than the mixture")
        own = found[self.separator.name]
        everywhere = [self.separator.name, *(each.name for each in BASELINES)]
        return Quality(
            everything={name: Gains.of(summaries(each)) for name, each in found.items() if len(each)},
            grounds={
                each.name: _on_ground(found[each.name], own)
                for each in self.specialists
                if len(found[each.name])
            },
            groups={
                name: {
                    contestant: Gains.of(summaries(found[contestant].loc[rows.index]))
                    for contestant in everywhere
                }
                for name, rows in groups(own)
            },
        )

    def silences(self) -> dict[str, Silence]:
        """Contestant → what it gives for what is not there, of those who were asked for anything such."""
        found = ((each.name, silence(self.contest, each, self.absent)) for each in self._everybody)
        return {name: each for name, each in found if each is not None}

    def prompts(self) -> Prompts:
        """What happens to the separator's gains when it is asked in other words."""
        caption, shuffled, spans = (
            self._gains(self.separator, each) for each in (self.few, self.shuffled, with_true_spans(self.few))
        )
        lost, added = differences(caption, shuffled), differences(spans, caption)
        return Prompts(
            caption=Gains.of(summaries(caption)),
            shuffled=Gains.of(summaries(shuffled)) if len(shuffled) else None,
            loss=Gains.of(lost) if lost else None,
            spans=Gains.of(added) if added else None,
            removal=removal_against_extraction(caption, removals(self.few)),
        )

    def steps(self, by_steps: Mapping[int, Contestant]) -> Steps:
        """What each number of solver steps brings."""
        found = {
            steps: Gains.of(summaries(self._gains(each, self.few)))
            for steps, each in sorted(by_steps.items())
        }
        return Steps(found, knee(found))

    @property
    def _everybody(self) -> Iterator[Contestant]:
        yield from (self.separator, *BASELINES, *self.specialists)

    def _gains(self, contestant: Contestant, questions: Sequence[Question]) -> pd.DataFrame:
        return gains(self.contest, contestant, questions, self.seen)


def _on_ground(specialist: pd.DataFrame, separator: pd.DataFrame) -> OnGround:
    return OnGround(
        Gains.of(summaries(specialist)),
        Gains.of(summaries(separator.loc[specialist.index])),
        Gains.of(differences(separator, specialist)),
    )


def knee(by_steps: Mapping[int, Gains]) -> int:
    """The fewest steps whose mean gain of both stems is within `KNEE_DB` of the best; of one number or more."""
    means = {
        steps: (each.target.mean.value + each.residual.mean.value) / 2 for steps, each in by_steps.items()
    }
    return min(steps for steps, mean in means.items() if mean >= max(means.values()) - KNEE_DB)


def goals(
    quality: Quality | None, silence_of_separator: Silence | None, prompts: Prompts | None
) -> dict[str, bool]:
    """What a promptable separator is to reach, as far as it was looked at."""
    reached: dict[str, bool] = {}
    if quality:
        for name, ground in quality.grounds.items():
            reached[f"ahead of {name} on its ground"] = ground.difference.target.mean.low > 0
        for group in ("seen label", "against speech"):
            if group in quality.groups:
                own = next(iter(quality.groups[group].values()))
                reached[f"target gains at least 5 dB, {group}"] = own.target.mean.value >= 5
    if silence_of_separator:
        reached["at least 80 % silent where nothing is named"] = silence_of_separator.silent.value >= 0.8
    if prompts and prompts.shuffled:
        rest, whole = prompts.shuffled.target.mean.value, prompts.caption.target.mean.value
        reached["another's caption loses more than half of the gain"] = rest < whole / 2
    if prompts and prompts.spans:
        reached["spans add to the caption"] = prompts.spans.target.mean.low > 0
    if prompts and prompts.removal:
        reached["removing is as good as asking"] = prompts.removal.mean.high >= 0
    return reached
