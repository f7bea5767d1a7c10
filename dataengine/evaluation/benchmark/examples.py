"""Answers to listen to: of each task the best, the median and the worst, by the measure that decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dataengine.evaluation.asking import Asked, ask
from dataengine.evaluation.benchmark.settings import Setting
from dataengine.evaluation.benchmark.trial import Trial
from dataengine.evaluation.contestants import Contestant
from dataengine.evaluation.questions import Question
from dataengine.models.roles import Waveform
from manifests.progress import Progress

BEST, MEDIAN, WORST = "best", "median", "worst"


@dataclass(frozen=True)
class Chosen:
    """A question whose answer is worth hearing."""

    setting: Setting
    rank: str
    """`BEST`, `MEDIAN` or `WORST` of its setting."""
    question: Question
    value: float
    """Of the measure that decides."""
    against: float | None
    """The same of the other separator's answer."""


@dataclass(frozen=True)
class Heard:
    """An example with its sounds: name → waveform [samples]."""

    chosen: Chosen
    sample_rate: int
    sounds: dict[str, Waveform]


def choose(trial: Trial) -> list[Chosen]:
    """Three answers of each task, by the first kind of prompt that it is asked by.

    None where no measure says which answer is better.
    """
    if trial.primary.tie is None:
        return []
    chosen: list[Chosen] = []
    seen = set()
    for setting, questions in trial.benchmark.questions.items():
        if setting.task not in seen:
            seen.add(setting.task)
            chosen += _of_setting(trial, setting, questions)
    return chosen


def hear(trial: Trial, chosen: Sequence[Chosen]) -> Iterator[Heard]:
    """Have the separators answer once more, and keep what they say."""
    rate = trial.contest.sample_rate
    with Progress("Listening", total=len(chosen), unit="examples") as progress:
        for number, each in enumerate(chosen, start=1):
            (asked,) = ask([each.question], rate)
            yield Heard(each, rate, _sounds(trial, asked))
            progress.update(number)


def _of_setting(trial: Trial, setting: Setting, questions: Sequence[Question]) -> Iterator[Chosen]:
    found = sorted(
        trial.scored(trial.separator, questions, trial.primary), key=lambda each: (each[1], each[0].id)
    )
    theirs = {} if trial.against is None else _values(trial, trial.against, questions)
    places = {BEST: len(found) - 1, MEDIAN: len(found) // 2, WORST: 0}
    heard: set[int] = set()
    for rank, place in places.items():
        if found and place not in heard:  # of one or two answers, each is heard once
            heard.add(place)
            question, value = found[place]
            yield Chosen(setting, rank, question, value, theirs.get(question.id))


def _values(trial: Trial, contestant: Contestant, questions: Sequence[Question]) -> dict[str, float]:
    return {each.id: value for each, value in trial.scored(contestant, questions, trial.primary)}


def _sounds(trial: Trial, asked: Asked) -> dict[str, Waveform]:
    sounds = {"mixture": asked.mixture}
    if asked.truth is not None:
        sounds["truth"] = asked.target
    for contestant in (trial.separator, trial.against):
        if contestant is not None:
            (answer,) = contestant.separate([asked])
            sounds[contestant.name] = answer.target
    return sounds
