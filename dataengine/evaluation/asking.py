"""A question with its sounds, and what an answer to it is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dataengine.evaluation.metrics import sdr, si_sdr
from dataengine.evaluation.overlap import Overlap, overlap
from dataengine.evaluation.questions import Question
from dataengine.models.level import power, ratio_db
from dataengine.models.roles import Stems, Waveform
from dataengine.models.sounding import SoundingRule

MEASURES_VERSION = "2"
"""Raised when the same answer is worth another amount than before."""
SOUNDING = SoundingRule()


@dataclass(frozen=True)
class Truth:
    """The right answer; waveforms have shape [samples]."""

    target: Waveform
    """Silence if what is asked for is not there."""
    rest: Waveform
    overlap: Overlap | None
    """Where the two both sound; None if they never meet."""


@dataclass(frozen=True)
class Asked:
    """A question and the waveforms that belong to it."""

    question: Question
    sample_rate: int
    mixture: Waveform
    """[samples]"""
    truth: Truth | None
    """None where nobody knows it."""

    @property
    def target(self) -> Waveform:
        """The true one. Raises ValueError where nobody knows it."""
        return self._known().target

    @property
    def rest(self) -> Waveform:
        """The true one. Raises ValueError where nobody knows it."""
        return self._known().rest

    @property
    def overlap(self) -> Overlap | None:
        """Where target and rest both sound; None if they never meet, or if nobody knows."""
        return None if self.truth is None else self.truth.overlap

    def _known(self) -> Truth:
        if self.truth is None:
            raise ValueError(f"nobody knows what {self.question.scene.name} holds")
        return self.truth


@dataclass(frozen=True)
class Worth:
    """What an answer is worth.

    SI-SDR and SDR are in dB, where target and rest both sound; NaN where they never meet, or where nobody knows them.
    What a model says of the target is NaN where no model was asked.
    """

    level: float
    """Of the answer's target against the mixture, dB over the whole scene; at least −120."""
    silence: float
    """0..1, share of the scene in which the answer's target stays under −40 dBFS (`SoundingRule`)."""
    overlap: float = math.nan
    """0..1, share of the time that the target sounds in which the rest sounds too."""
    mixture_as_target: float = math.nan
    mixture_as_residual: float = math.nan
    target: float = math.nan
    residual: float = math.nan
    mixture_sdr: float = math.nan
    """Of the mixture as target."""
    target_sdr: float = math.nan
    text_audio: float = math.nan
    """How well the prompt describes the target, −1..1."""
    production_quality: float = math.nan
    """1..10, and so are the three below (`Aesthetics`)."""
    production_complexity: float = math.nan
    content_enjoyment: float = math.nan
    content_usefulness: float = math.nan
    audio_visual: float = math.nan
    """How well what is seen under the mask fits the target, −1..1; NaN where nothing is to be seen."""

    @property
    def met(self) -> bool:
        """Whether there was anything to separate."""
        return not math.isnan(self.overlap)

    @property
    def target_gain(self) -> float:
        """How much nearer the truth the target is than the mixture, dB of SI-SDR."""
        return self.target - self.mixture_as_target

    @property
    def residual_gain(self) -> float:
        """The same of the residual."""
        return self.residual - self.mixture_as_residual

    @property
    def sdr_gain(self) -> float:
        """The same of the target in dB of SDR, which takes a wrong level amiss."""
        return self.target_sdr - self.mixture_sdr


class Assessor(Protocol):
    """Says what answers are worth."""

    @property
    def version(self) -> str:
        """Another one where the same answer is worth another amount."""
        ...

    def assess(self, asked: Sequence[Asked], answers: Sequence[Stems]) -> list[Worth]:
        """Of an answer to each."""
        ...


@dataclass(frozen=True)
class ByTruth:
    """An Assessor that asks no model."""

    version: str = MEASURES_VERSION

    def assess(self, asked: Sequence[Asked], answers: Sequence[Stems]) -> list[Worth]:
        """See Assessor."""
        return [worth(each, answer) for each, answer in zip(asked, answers, strict=True)]


def ask(questions: Sequence[Question], sample_rate: int) -> list[Asked]:
    """Questions about one scene with their sounds; they share the one array of the mixture."""
    scene = questions[0].scene
    if not scene.known:
        mixture = scene.mixture(sample_rate)
        return [Asked(question, sample_rate, mixture, None) for question in questions]
    stems = scene.stems(0.0, scene.seconds, sample_rate)
    mixture = np.sum(stems, axis=0)
    return [
        Asked(question, sample_rate, mixture, _truth(question, stems, mixture, sample_rate))
        for question in questions
    ]


def _truth(question: Question, stems: Sequence[Waveform], mixture: Waveform, sample_rate: int) -> Truth:
    target = np.zeros_like(mixture) if question.wanted is None else stems[question.wanted]
    rest: Waveform = mixture - target
    met = None if question.wanted is None else overlap(target, rest, sample_rate)
    return Truth(target, rest, met)


def worth(asked: Asked, answer: Stems) -> Worth:
    """What an answer is worth. Raises ValueError unless its stems are finite and of the mixture's length."""
    for stem in (answer.target, answer.residual):
        if stem.shape != asked.mixture.shape or not np.isfinite(stem).all():
            raise ValueError(f"no answer to {asked.question.text!r}: {stem.shape} samples, or not finite")
    level = float(ratio_db(np.array([power(answer.target)]), np.array([power(asked.mixture)]))[0])
    silence = SOUNDING.silence_ratio(answer.target, asked.sample_rate)
    if asked.overlap is None:
        return Worth(level, silence)
    there = asked.overlap.samples
    target, rest, mixture = asked.target[there], asked.rest[there], asked.mixture[there]
    return Worth(
        level,
        silence,
        overlap=asked.overlap.share,
        mixture_as_target=si_sdr(mixture, target),
        mixture_as_residual=si_sdr(mixture, rest),
        target=si_sdr(answer.target[there], target),
        residual=si_sdr(answer.residual[there], rest),
        mixture_sdr=sdr(mixture, target),
        target_sdr=sdr(answer.target[there], target),
    )
