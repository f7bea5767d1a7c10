"""Scenes: ten seconds laid out from a few real clips of one split, with the truth about each.

A scene is a pure function of split, seed and number. Which clips are drawn is balanced by label, not by
how many clips a label has. The sources overlap: that is what there is to separate.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from manifests.catalogue.audio import SCENE_RATE, band_of, frame_levels, load, load_limited
from manifests.catalogue.casting import REAL_MIXTURE, SCENE_TYPES, cast, real_recording
from manifests.catalogue.recordings import Clip
from manifests.identity import seed_of
from manifests.media import Waveform

SCENE_SECONDS = 10.0
SCENE_SAMPLES = round(SCENE_SECONDS * SCENE_RATE)

Steps: TypeAlias = "np.ndarray[Any, np.dtype[np.int32]]"

FULL_SCALE = 2**23
"""Stems are whole steps of 24 bits, so that their sum is the mixture exactly."""

_OVERLAP = 0.7
"""A source overlaps the first one for at least this share of the shorter of the two."""
_FADE = SCENE_RATE // 50
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
    """[samples] of the scene, 24-bit steps."""

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


def scene_type(number: int) -> str:
    """The type of a scene: any ten consecutive numbers hold the types in the same shares."""
    return SCENE_TYPES[number % len(SCENE_TYPES)]


def build_scene(split: str, number: int, *, seed: int, recordings: Path) -> Scene:
    """Scene `number` of a split; `recordings` is the folder that `fetch` filled."""
    kind = scene_type(number)
    draw = random.Random(seed_of(seed, "scene", split, str(number)))  # noqa: S311 (no secret)
    if kind == REAL_MIXTURE:
        return _real_mixture(split, number, draw, recordings)
    casts = cast(split, kind, draw)
    band = min(band_of(clip, recordings) for clips in casts for clip in clips)
    laid_out: list[tuple[list[Piece], Waveform]] = []
    for clips in casts:
        around = _extent(laid_out[0][0]) if laid_out else None
        laid_out.append(_lay_out(clips, band, around, draw, recordings))
    stems = _levelled([waveform for _, waveform in laid_out], draw)
    sources = tuple(
        Source(tuple(pieces), sounding_level(as_waveform(stem)), stem)
        for (pieces, _), stem in zip(laid_out, stems, strict=True)
    )
    mixture: Steps = np.stack(stems).sum(axis=0, dtype=np.int32)
    return Scene(split, number, kind, band, mixture, sources)


def as_waveform(steps: Steps) -> Waveform:
    """Steps of 24 bits as float32, exactly."""
    return steps.astype(np.float32) / np.float32(FULL_SCALE)


def sounding_level(waveform: Waveform) -> float:
    """RMS in dBFS over the frames of 20 ms within 40 dB of the loudest."""
    levels = frame_levels(waveform).astype(np.float64)
    sounding = levels[levels > levels.max() - _SOUNDING_DB]
    return float(10 * np.log10(np.mean(10 ** (sounding / 10))))


def _lay_out(
    clips: list[Clip], band: int, around: tuple[int, int] | None, draw: random.Random, recordings: Path
) -> tuple[list[Piece], Waveform]:
    """Chain the clips of a source and place them in the scene, overlapping the samples `around`."""
    excerpts = _excerpts([load_limited(clip, band, recordings) for clip in clips], draw)
    gaps = [round(draw.uniform(0.05, 0.4) * SCENE_RATE) for _ in excerpts]
    offsets = [sum(map(len, excerpts[:i])) + sum(gaps[:i]) for i in range(len(excerpts))]
    length = offsets[-1] + len(excerpts[-1])
    start = _place(length, around or (0, SCENE_SAMPLES), draw)
    waveform = np.zeros(SCENE_SAMPLES, np.float32)
    pieces = []
    for clip, excerpt, offset in zip(clips, excerpts, offsets, strict=False):
        first = start + offset
        waveform[first : first + len(excerpt)] = excerpt
        pieces.append(Piece(clip, first / SCENE_RATE, (first + len(excerpt)) / SCENE_RATE))
    return pieces, waveform


def _excerpts(waveforms: list[Waveform], draw: random.Random) -> list[Waveform]:
    """As many of the waveforms as fit 9 s with the longest gaps; one that is longer is cut."""
    room = round(0.9 * SCENE_SAMPLES)
    gap = round(0.4 * SCENE_RATE)
    excerpts: list[Waveform] = []
    for waveform in waveforms:
        if len(waveform) > room and not excerpts:
            first = draw.randrange(len(waveform) - room + 1)
            return [_faded(waveform[first : first + room])]
        if len(waveform) > room:
            break
        excerpts.append(waveform)
        room -= len(waveform) + gap
    return excerpts


def _faded(waveform: Waveform) -> Waveform:
    """The waveform with ends that rise and fall over 20 ms: it was cut."""
    ramp = np.ones(len(waveform), np.float32)
    ramp[:_FADE] = np.linspace(0, 1, _FADE, dtype=np.float32)
    ramp[-_FADE:] = ramp[_FADE - 1 :: -1]
    faded: Waveform = waveform * ramp
    return faded


def _place(length: int, around: tuple[int, int], draw: random.Random) -> int:
    """A start within the scene that overlaps `around` by 70 % of the shorter of the two."""
    first, last = around
    overlap = round(_OVERLAP * min(length, last - first))
    return draw.randint(max(0, first - length + overlap), min(SCENE_SAMPLES - length, last - overlap))


def _extent(pieces: list[Piece]) -> tuple[int, int]:
    return round(pieces[0].start * SCENE_RATE), round(pieces[-1].end * SCENE_RATE)


def _levelled(waveforms: list[Waveform], draw: random.Random) -> list[Steps]:
    """Bring the sources to their levels, and to whole steps; neither a stem nor the sum clips.

    The first source lies between −32 and −20 dBFS; each other one is ±5 dB from it, in a fifth of the
    cases ±15 dB.
    """
    first = draw.uniform(-32.0, -20.0)
    levels = [first]
    for _ in waveforms[1:]:
        span = 15.0 if draw.random() < 0.2 else 5.0
        levels.append(first + draw.uniform(-span, span))
    scaled = [
        waveform * np.float32(10 ** ((level - sounding_level(waveform)) / 20))
        for waveform, level in zip(waveforms, levels, strict=True)
    ]
    peak = max(float(np.abs(each).max()) for each in [*scaled, np.sum(scaled, axis=0)])
    gain = min(1.0, _PEAK / peak)
    return [np.rint(each * np.float64(gain * FULL_SCALE)).astype(np.int32) for each in scaled]


def _real_mixture(split: str, number: int, draw: random.Random, recordings: Path) -> Scene:
    clip = real_recording(split, draw)
    whole = load(clip, recordings)
    first = draw.randrange(max(1, len(whole) - SCENE_SAMPLES + 1))
    window = whole[first : first + SCENE_SAMPLES]
    gain = min(1.0, _PEAK / max(float(np.abs(window).max()), 1e-9))
    steps = np.rint(window * np.float64(gain * FULL_SCALE)).astype(np.int32)
    source = Source((Piece(clip, 0.0, len(window) / SCENE_RATE),), sounding_level(as_waveform(steps)), steps)
    return Scene(split, number, REAL_MIXTURE, band_of(clip, recordings), steps, (source,))
