"""How many kinds of sound a waveform holds, counted by a tagger.

An embedded stand-in for the reference's "production complexity" (Audiobox aesthetics), on a scale of its
own: about 0.9 for one clean sound, more the more kinds there are. Classes are counted by kind, so that an
AudioSet class and its parents (bark, dog, animal) count once. Two sounds of the same kind count once too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataengine.errors import UserError
from dataengine.models.adapter import Adapter, Runtime, composed_card
from dataengine.models.roles import ClipScore, Matrix, ModelCard, Tagger, Waveform

KINDS: dict[str, tuple[tuple[str, str], ...]] = {
    "voice": (
        ("Speech", "Whispering"),
        ("Singing", "Humming"),
        ("Chatter", "Hubbub, speech noise, speech babble"),
    ),
    "body": (("Laughter", "Sigh"), ("Groan", "Applause"), ("Children playing", "Children playing")),
    "animal": (("Animal", "Whale vocalization"),),
    "music": (("Music", "Scary music"),),
    "weather and water": (
        ("Wind", "Crackle"),
        ("Water tap, faucet", "Bathtub (filling or washing)"),
        ("Toilet flush", "Toilet flush"),
        ("Liquid", "Boiling"),
    ),
    "vehicle": (("Vehicle", "Accelerating, revving, vroom"),),
    "household": (
        ("Door", "Blender"),
        ("Hair dryer", "Hair dryer"),
        ("Toothbrush", "Writing"),
    ),
    "alarm": (("Alarm", "Steam whistle"), ("Beep, bleep", "Squeal"), ("Sine wave", "Chirp tone")),
    "machine": (("Mechanisms", "Drill"),),
    "impact": (("Explosion", "Shatter"), ("Sonar", "Scratch"), ("Scrape", "Tearing"), ("Creak", "Crunch")),
}
"""Kind → ranges of AudioSet classes, first and last, in AudioSet's order. Left out: silence, rooms, noise,
which say how something sounds and not what."""

EXPONENT = 4
"""Of the power mean over frames: between how long a kind sounds (1) and whether it ever does (∞)."""


class KindsOfSoundAdapter(Adapter):
    """The scorer has no options."""

    role = "scene_complexity_scorer"
    parts = ("tagger",)

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return composed_card(self, name, list(parts.values()))

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> KindsOfSound:
        """See Adapter. Raises UserError if the tagger does not name AudioSet's classes."""
        return KindsOfSound(card, parts["tagger"])


class KindsOfSound:
    """A SceneComplexityScorer: the sum over kinds of how surely each is heard, 0 to the number of kinds."""

    def __init__(self, card: ModelCard, tagger: Tagger) -> None:
        self.card = card
        self._tagger = tagger
        self._kinds = [_class_numbers(tagger.classes, ranges) for ranges in KINDS.values()]

    def complexity(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[ClipScore]:
        """See SceneComplexityScorer; a frame's is the same count of what is heard in it alone."""
        heard = self._tagger.tag(waveforms, sample_rate)
        return [self._count(tags.probabilities) for tags in heard]

    def _count(self, probabilities: Matrix) -> ClipScore:
        kinds = np.stack([probabilities[:, numbers].max(axis=1) for numbers in self._kinds], axis=1)
        surely = (kinds.astype(np.float64) ** EXPONENT).mean(axis=0) ** (1 / EXPONENT)
        return ClipScore(float(surely.sum()), kinds.sum(axis=1), self._tagger.hop_seconds)


def _class_numbers(classes: Sequence[str], ranges: Sequence[tuple[str, str]]) -> list[int]:
    try:
        limits = [(classes.index(first), classes.index(last)) for first, last in ranges]
    except ValueError as error:
        raise UserError(
            f"kinds_of_sound needs a tagger with AudioSet's classes, and this one lacks one: {error}"
        ) from error
    return [number for first, last in limits for number in range(first, last + 1)]
