"""Scenes: ten seconds laid out from a few real clips of one split, with the truth about each.

A scene is a pure function of split, seed and number. Which clips are drawn is balanced by label, not by
how many clips a label has. The sources overlap: that is what there is to separate.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from manifests.catalogue.audio import (
    SCENE_RATE,
    band_limit,
    band_of,
    frame_levels,
    load,
    load_limited,
    share_below,
)
from manifests.catalogue.drawing import REAL_MIXTURE, SCENE_TYPES, draw_recording, draw_sources
from manifests.catalogue.recordings import Clip
from manifests.identity import seed_of
from manifests.media import Waveform

SCENE_SECONDS = 10.0
SCENE_SAMPLES = round(SCENE_SECONDS * SCENE_RATE)

Steps: TypeAlias = "np.ndarray[Any, np.dtype[np.int32]]"

FULL_SCALE = 2**19
"""Stems are whole steps of 20 bits, so that their sum is the mixture exactly; the recordings have 16 bits or
are lossy, and FLAC files of 24 bits take a third less space than with noise in the last four."""

_OVERLAP = 0.7
"""A source overlaps the first one for at least this share of the shorter of the two."""
_LEAST_SHARE = 0.25
"""Share of a clip's power that must lie in the scene's band: no crickets in a scene of 4 kHz."""
_REAL_SHARE = 0.8
"""At most this share of a recording is used at a time, so that its windows differ."""
_FADE = SCENE_RATE // 200
_SHORTEST_GAP, _LONGEST_GAP = SCENE_RATE // 20, SCENE_RATE * 2 // 5
_PEAK = 10 ** (-1 / 20)
_SOUNDING_DB = 40.0


@dataclass(frozen=True)
class Piece:
    """A stretch of one clip in a scene; seconds from the scene's start."""

    clip: Clip
    start: float
    end: float


@dataclass(frozen=True)
class Source:
    """One thing that sounds in a scene."""

    pieces: tuple[Piece, ...]
    level_db: float
    """RMS in dBFS over the frames that sound (within 40 dB of the loudest)."""
    stem: Steps
    """[samples] of the scene, steps of 1 / `FULL_SCALE`."""

    @property
    def clip(self) -> Clip:
        """The clip that says what the source is; the pieces of one source share label and speaker."""
        return self.pieces[0].clip


@dataclass(frozen=True)
class Scene:
    """A mixture and the sources it is the sum of."""

    split: str
    number: int
    type: str
    band: int
    """Hz; nothing in the scene lies above."""
    mixture: Steps
    sources: tuple[Source, ...]
    """Of a `real_mixture` there is one: the recording, whose own sources nobody knows."""

    @property
    def name(self) -> str:
        """File name without suffix; it does not give the truth away."""
        return f"{self.split}-{self.number:06d}"


def scene_type(number: int, types: Sequence[str] = SCENE_TYPES) -> str:
    """The type of a scene: as many consecutive numbers as there are types hold them in the same shares."""
    return types[number % len(types)]


def build_scene(
    split: str, number: int, *, seed: int, recordings: Path, types: Sequence[str] = SCENE_TYPES
) -> Scene:
    """Scene `number` of a split; `recordings` is the folder that `fetch` filled."""
    kind = scene_type(number, types)
    rng = random.Random(seed_of(seed, "scene", split, str(number)))  # noqa: S311 (no secret)
    if kind == REAL_MIXTURE:
        return _real_mixture(split, number, rng, recordings)
    drawn, band = _drawn_within_band(split, kind, rng, recordings)
    laid_out: list[tuple[list[Piece], Waveform]] = []
    for clips in drawn:
        around = _extent(laid_out[0][0]) if laid_out else None
        laid_out.append(_lay_out(clips, band, around, rng, recordings))
    stems = _levelled([waveform for _, waveform in laid_out], rng)
    sources = tuple(
        Source(tuple(pieces), sounding_level(as_waveform(stem)), stem)
        for (pieces, _), stem in zip(laid_out, stems, strict=True)
    )
    mixture: Steps = np.stack(stems).sum(axis=0, dtype=np.int32)
    return Scene(split, number, kind, band, mixture, sources)


def _drawn_within_band(
    split: str, kind: str, rng: random.Random, recordings: Path
) -> tuple[list[list[Clip]], int]:
    """The clips of each source, and the band of the narrowest; drawn anew while that cuts out a source."""
    while True:
        drawn = draw_sources(split, kind, rng)
        clips = {clip for source in drawn for clip in source}
        band = min(band_of(clip, recordings) for clip in clips)
        if all(share_below(clip, band, recordings) > _LEAST_SHARE for clip in clips):
            return drawn, band


def as_waveform(steps: Steps) -> Waveform:
    """Steps as float32, exactly."""
    return steps.astype(np.float32) / np.float32(FULL_SCALE)


def sounding_level(waveform: Waveform) -> float:
    """RMS in dBFS over the frames of 20 ms within 40 dB of the loudest."""
    levels = frame_levels(waveform).astype(np.float64)
    sounding = levels[levels > levels.max() - _SOUNDING_DB]
    return float(10 * np.log10(np.mean(10 ** (sounding / 10))))


def _lay_out(
    clips: list[Clip], band: int, around: tuple[int, int] | None, rng: random.Random, recordings: Path
) -> tuple[list[Piece], Waveform]:
    """Chain the clips of a source and place them in the scene, overlapping the samples `around`."""
    excerpts = _excerpts(clips, band, rng, recordings)
    gaps = [rng.randint(_SHORTEST_GAP, _LONGEST_GAP) for _ in excerpts]
    offsets = [sum(map(len, excerpts[:i])) + sum(gaps[:i]) for i in range(len(excerpts))]
    length = offsets[-1] + len(excerpts[-1])
    start = _place(length, around or (0, SCENE_SAMPLES), rng)
    waveform = np.zeros(SCENE_SAMPLES, np.float32)
    pieces = []
    for clip, excerpt, offset in zip(clips, excerpts, offsets, strict=False):
        first = start + offset
        waveform[first : first + len(excerpt)] = excerpt
        pieces.append(Piece(clip, first / SCENE_RATE, (first + len(excerpt)) / SCENE_RATE))
    return pieces, waveform


def _excerpts(clips: list[Clip], band: int, rng: random.Random, recordings: Path) -> list[Waveform]:
    """As many of the clips as fit 9 s with the longest gaps; a first one that is longer is cut."""
    room = round(0.9 * SCENE_SAMPLES)
    excerpts: list[Waveform] = []
    for clip in clips:
        whole = load(clip, recordings)
        if len(whole) > room:
            if not excerpts:
                first = rng.randrange(len(whole) - room + 1)
                excerpts.append(_faded(band_limit(whole[first : first + room], band)))
            break
        excerpts.append(_faded(load_limited(clip, band, recordings)))
        room -= len(whole) + _LONGEST_GAP
    return excerpts


def _faded(waveform: Waveform) -> Waveform:
    """The waveform with ends that rise and fall over 5 ms: a hard cut is a click over the whole band."""
    faded = waveform.copy()
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    faded[:_FADE] *= ramp
    faded[-_FADE:] *= ramp[::-1]
    return faded


def _place(length: int, around: tuple[int, int], rng: random.Random) -> int:
    """A start within the scene that overlaps `around` by 70 % of the shorter of the two."""
    first, last = around
    overlap = round(_OVERLAP * min(length, last - first))
    return rng.randint(max(0, first - length + overlap), min(SCENE_SAMPLES - length, last - overlap))


def _extent(pieces: list[Piece]) -> tuple[int, int]:
    return round(pieces[0].start * SCENE_RATE), round(pieces[-1].end * SCENE_RATE)


def _levelled(waveforms: list[Waveform], rng: random.Random) -> list[Steps]:
    """Bring the sources to their levels, and to whole steps; neither a stem nor the sum clips.

    The first source lies between −32 and −20 dBFS; each other one is ±5 dB from it, in a fifth of the
    cases ±15 dB.
    """
    first = rng.uniform(-32.0, -20.0)
    levels = [first]
    for _ in waveforms[1:]:
        span = 15.0 if rng.random() < 0.2 else 5.0
        levels.append(first + rng.uniform(-span, span))
    scaled = [
        waveform * np.float32(10 ** ((level - sounding_level(waveform)) / 20))
        for waveform, level in zip(waveforms, levels, strict=True)
    ]
    peak = max(float(np.abs(each).max()) for each in [*scaled, np.sum(scaled, axis=0)])
    gain = min(1.0, _PEAK / peak)
    return [np.rint(each * np.float64(gain * FULL_SCALE)).astype(np.int32) for each in scaled]


def _real_mixture(split: str, number: int, rng: random.Random, recordings: Path) -> Scene:
    clip = draw_recording(split, rng)
    whole = load(clip, recordings)
    length = min(SCENE_SAMPLES, round(_REAL_SHARE * len(whole)))
    first = rng.randrange(len(whole) - length + 1)
    window = whole[first : first + length]
    gain = min(1.0, _PEAK / max(float(np.abs(window).max()), 1e-9))
    steps = np.rint(window * np.float64(gain * FULL_SCALE)).astype(np.int32)
    source = Source((Piece(clip, 0.0, len(window) / SCENE_RATE),), sounding_level(as_waveform(steps)), steps)
    return Scene(split, number, REAL_MIXTURE, band_of(clip, recordings), steps, (source,))
