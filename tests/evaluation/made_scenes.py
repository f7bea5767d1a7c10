"""Scenes of two tones or more, laid out as `demo-data` lays scenes out, without its recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataengine.evaluation.true_scenes import TrueScene, TrueSource
from dataengine.models.roles import Waveform
from manifests.media import encode_flac

RATE = 16_000
SECONDS = 2.0
TIME = np.arange(round(SECONDS * RATE)) / RATE
CATEGORIES = {
    "a woman speaking": "speech",
    "a man speaking": "speech",
    "trumpet": "instrument",
} | dict.fromkeys(("techno music loop", "singing voice"), "music")
"""Of labels that are no sounds."""


def tone(frequency: float, start: float = 0.0, end: float = SECONDS) -> Waveform:
    """A tone at −16 dBFS."""
    waveform = 0.25 * np.sin(2 * np.pi * frequency * TIME) * ((start <= TIME) & (end > TIME))
    return np.asarray(waveform, dtype=np.float32)


def scene(
    folder: Path, name: str, sources: dict[str, Waveform], *, clips: tuple[str, ...] | None = None
) -> TrueScene:
    """A scene of these labels and stems; its clips are called as its labels are."""
    found = []
    for number, (label, waveform) in enumerate(sources.items()):
        stem = folder / f"{name}.{number}.flac"
        stem.write_bytes(encode_flac(waveform, RATE))
        sounding = np.flatnonzero(waveform) / RATE
        spans = ((float(sounding[0]), float(sounding[-1])),)
        found.append(TrueSource(label, CATEGORIES.get(label, "sound"), spans, stem))
    return TrueScene(name, "made", SECONDS, tuple(found), tuple(sources) if clips is None else clips)
