"""The embedded profile's models, and real recordings at its rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Waveform
from dataengine.models.waveforms import resample
from manifests.catalogue.recordings import Clip

RATE = 16_000


@dataclass(frozen=True)
class Recording:
    """A real clip at 16 kHz."""

    waveform: Waveform
    clip: Clip


Recordings = Callable[..., list[Recording]]


@pytest.fixture(scope="session")
def models() -> ProfileModels:
    return ProfileModels(Profile.load("embedded"))


@pytest.fixture(scope="session")
def recordings(catalogue_clips) -> Recordings:
    """`catalogue_clips` at 16 kHz."""

    def clips(split: str, **wanted) -> list[Recording]:
        found = catalogue_clips(split, **wanted)
        return [Recording(resample(each.waveform, each.sample_rate, RATE), each.clip) for each in found]

    return clips


@pytest.fixture(scope="session")
def speech_in_sounds(recordings: Recordings) -> list[tuple[Waveform, Waveform]]:
    """Thirty pairs (speech, mixture) of 3 s: speech under a sound or music of the same level."""
    speech = _three_seconds(recordings("calibrate", category="speech", min_seconds=1.0, count=60))
    others = [
        *recordings("calibrate", category="sound", min_seconds=1.5, count=15),
        *recordings("calibrate", category="instrument", min_seconds=1.5, count=8),
        *recordings("calibrate", category="music", min_seconds=3.0, count=5),
    ]
    background = [each for each in _three_seconds(others, loop=True) if np.abs(each).max() > 1e-3]
    return [
        (voice, voice + sound * np.float32(_rms(voice) / _rms(sound)))
        for voice, sound in zip(speech[::2], background * 2, strict=False)
    ]


def _three_seconds(recordings: list[Recording], loop: bool = False) -> list[Waveform]:
    """Each recording cut, filled with silence or repeated to 3 s."""
    length = 3 * RATE
    if loop:
        return [np.resize(each.waveform, length) for each in recordings]
    return [np.pad(each.waveform[:length], (0, max(0, length - len(each.waveform)))) for each in recordings]


def _rms(waveform: Waveform) -> float:
    return float(np.sqrt(np.mean(waveform**2)))
