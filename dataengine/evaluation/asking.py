"""A question with its sounds, and what an answer to it is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dataengine.evaluation.metrics import si_sdr
from dataengine.evaluation.overlap import Overlap, overlap
from dataengine.evaluation.questions import Question
from dataengine.models.level import power, ratio_db
from dataengine.models.roles import Stems, Waveform


@dataclass(frozen=True)
class Asked:
    """A question and the waveforms that belong to it; all have shape [samples]."""

    question: Question
    sample_rate: int
    mixture: Waveform
    target: Waveform
    """The true one; silence if what is asked for is not there."""
    rest: Waveform
    overlap: Overlap | None
    """Where target and rest both sound; None if they never meet."""


@dataclass(frozen=True)
class Worth:
    """What an answer is worth; SI-SDR in dB where target and rest both sound, NaN where they never meet."""

    overlap: float
    """0..1, share of the time that the target sounds in which the rest sounds too."""
    mixture_as_target: float
    mixture_as_residual: float
    target: float
    residual: float
    level: float
    """Of the answer's target against the mixture, dB over the whole scene; at least −120."""

    @property
    def met(self) -> bool:
        """Whether there was anything to separate."""
        return not math.isnan(self.overlap)

    @property
    def target_gain(self) -> float:
        """How much nearer the truth the target is than the mixture, dB."""
        return self.target - self.mixture_as_target

    @property
    def residual_gain(self) -> float:
        """The same of the residual."""
        return self.residual - self.mixture_as_residual


def ask(questions: Sequence[Question], sample_rate: int) -> list[Asked]:
    """Questions about one scene with their sounds; they share the one array of the mixture."""
    scene = questions[0].scene
    stems = scene.stems(0.0, scene.seconds, sample_rate)
    mixture: Waveform = np.sum(stems, axis=0)
    return [_asked(question, stems, mixture, sample_rate) for question in questions]


def _asked(question: Question, stems: Sequence[Waveform], mixture: Waveform, sample_rate: int) -> Asked:
    target = np.zeros_like(mixture) if question.wanted is None else stems[question.wanted]
    rest: Waveform = mixture - target
    met = None if question.wanted is None else overlap(target, rest, sample_rate)
    return Asked(question, sample_rate, mixture, target, rest, met)


def worth(asked: Asked, answer: Stems) -> Worth:
    """What an answer is worth. Raises ValueError unless its stems are finite and of the mixture's length."""
    for stem in (answer.target, answer.residual):
        if stem.shape != asked.mixture.shape or not np.isfinite(stem).all():
            raise ValueError(f"no answer to {asked.question.text!r}: {stem.shape} samples, or not finite")
    level = float(ratio_db(np.array([power(answer.target)]), np.array([power(asked.mixture)]))[0])
    if asked.overlap is None:
        return Worth(math.nan, math.nan, math.nan, math.nan, math.nan, level)
    there = asked.overlap.samples
    target, rest, mixture = asked.target[there], asked.rest[there], asked.mixture[there]
    return Worth(
        overlap=asked.overlap.share,
        mixture_as_target=si_sdr(mixture, target),
        mixture_as_residual=si_sdr(mixture, rest),
        target=si_sdr(answer.target[there], target),
        residual=si_sdr(answer.residual[there], rest),
        level=level,
    )
