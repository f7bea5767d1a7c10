"""What is measured of answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from dataengine.evaluation.asking import Worth
from dataengine.evaluation.benchmark.scorers import AESTHETICS, AUDIO_VISUAL, TEXT_AUDIO

TRUE_STEMS = "true stems"


@dataclass(frozen=True)
class Measure:
    """A figure of an answer."""

    name: str
    title: str
    unit: str
    about: str
    """For a reader who has not met it."""
    value: Callable[[Worth], float]
    """NaN where it says nothing."""
    needs: str | None = None
    """`TRUE_STEMS`, or a role of the profile."""
    tie: float | None = None
    """Two answers that differ by no more are as good as each other; None: more is not better."""
    places: int = 1
    """Decimals that mean something."""


def _rating(name: str, about: str, tie: float | None = None) -> Measure:
    """What an aesthetics scorer says, from 1 to 10."""
    title = name.replace("_", " ").capitalize()
    return Measure(name, title, "1 to 10", about, attrgetter(name), needs=AESTHETICS, tie=tie, places=2)


SI_SDR = Measure(
    "si_sdr_improvement",
    "SI-SDR improvement",
    "dB",
    "How much nearer the true target the answer is than the mixture, whatever its level, where both stems sound.",
    attrgetter("target_gain"),
    needs=TRUE_STEMS,
    tie=0.1,
)
SDR = Measure(
    "sdr_improvement",
    "SDR improvement",
    "dB",
    "The same with a wrong level counted as an error.",
    attrgetter("sdr_gain"),
    needs=TRUE_STEMS,
    tie=0.1,
)
RESIDUAL = Measure(
    "residual_si_sdr_improvement",
    "SI-SDR improvement of the residual",
    "dB",
    "How much nearer the true rest is what is left when the target is taken out.",
    attrgetter("residual_gain"),
    needs=TRUE_STEMS,
    tie=0.1,
)
TEXT = Measure(
    "text_audio",
    "Text–audio score",
    "",
    "How well the prompt describes the answer, on the scale of the profile's scorer. It hears no artefacts.",
    attrgetter("text_audio"),
    needs=TEXT_AUDIO,
    tie=0.01,
    places=2,
)
QUALITY = _rating(
    "production_quality", "How well recorded and produced a listener would find the answer.", tie=0.1
)
COMPLEXITY = _rating(
    "production_complexity",
    "How much sounds at once in the answer; low for a clean single source, and for silence.",
)
ENJOYMENT = _rating("content_enjoyment", "How much a listener would like the answer.")
USEFULNESS = _rating("content_usefulness", "How well the answer would serve as material to create with.")
VISUAL = Measure(
    "audio_visual",
    "Audio–visual score",
    "",
    "How well what is seen under the mask fits the answer, on the scale of the profile's scorer.",
    attrgetter("audio_visual"),
    needs=AUDIO_VISUAL,
    tie=0.01,
    places=2,
)
SILENCE = Measure(
    "silence",
    "Silence",
    "share",
    "Share of the time in which the answer stays under −40 dBFS. Neither more nor less is better.",
    attrgetter("silence"),
    places=2,
)

MEASURES = (SI_SDR, SDR, RESIDUAL, TEXT, VISUAL, QUALITY, COMPLEXITY, ENJOYMENT, USEFULNESS, SILENCE)
