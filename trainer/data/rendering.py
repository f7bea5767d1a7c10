"""From a draw to a training sample: read the sounds, lay them out, mix them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dataengine.models.roles import Waveform
from dataengine.models.sounding import SoundingRule
from dataengine.models.waveforms import resample
from trainer.data.drawing import Draw
from trainer.data.layout import Segments, crop_start, cut, laid_out
from trainer.data.mixing import at_snr, coloured, gain_to, low_passed
from trainer.data.pools import MIXTURE, RESIDUAL, TARGET, Item
from trainer.data.span_prompts import SpanPrompt, draw_span_prompt

SOUNDING_IN_A_RECORDING = SoundingRule(relative_to="loudest_frame", minimum_sounding_seconds=0.0)
"""For layouts: where a recording sounds, however softly it was recorded."""
SOUNDING_IN_A_SAMPLE = SoundingRule()
"""For span prompts: the slides' −40 dBFS and 250 ms."""


class Reader(Protocol):
    """Gives the sounds of items."""

    def __call__(self, item: Item, member: str) -> Waveform:
        """One of an item's waveforms, at the sample rate of training."""
        ...


@dataclass(frozen=True)
class TrainingSample:
    """What the model learns from; three waveforms of one length."""

    mixture: Waveform
    target: Waveform
    residual: Waveform
    text: str
    spans: SpanPrompt
    dropped: tuple[bool, bool, bool, bool]
    """Mixture, text, video, spans."""
    time: float
    """Uniform in 0..1 (see `trainer.flow.times`)."""
    noise_seed: int


def render(draw: Draw, read: Reader, sample_rate: int) -> TrainingSample:
    """The sample that was drawn; the same draw gives the same sample."""
    random = np.random.default_rng(draw.layout_seed)
    length = round(draw.seconds * sample_rate)
    if draw.others:
        target, residual = _mixed_recordings(draw, read, length, sample_rate, random)
        mixture = target + residual
    else:
        mixture, target, residual = _triplet(draw, read, length, sample_rate, random)
    gain = gain_to(mixture, draw.level_dbfs, sample_rate)
    mixture, target, residual = gain * mixture, gain * target, gain * residual
    sounding = SOUNDING_IN_A_SAMPLE.seconds(target, sample_rate)
    return TrainingSample(
        mixture=mixture,
        target=target,
        residual=residual,
        text=draw.text,
        spans=draw_span_prompt(sounding, draw.seconds, random),
        dropped=draw.dropped,
        time=draw.time,
        noise_seed=draw.noise_seed,
    )


def _triplet(
    draw: Draw, read: Reader, length: int, sample_rate: int, random: np.random.Generator
) -> tuple[Waveform, Waveform, Waveform]:
    """Mixture, target and residual of a triplet, cropped alike around something of the target."""
    assert draw.target is not None
    target, residual = read(draw.target, TARGET), read(draw.target, RESIDUAL)
    start = crop_start(len(target), length, _sounding(target, sample_rate), sample_rate, random)
    target, residual = cut(target, start, length), cut(residual, start, length)
    if draw.snr_db is None:
        return cut(read(draw.target, MIXTURE), start, length), target, residual
    target = at_snr(target, residual, draw.snr_db, sample_rate)
    return target + residual, target, residual


def _mixed_recordings(
    draw: Draw, read: Reader, length: int, sample_rate: int, random: np.random.Generator
) -> tuple[Waveform, Waveform]:
    """Target and residual of recordings that were never heard together, all in the band of the narrowest.

    Otherwise a separator would learn to tell recordings by their bands instead of their sounds.
    """
    items = [*([draw.target] if draw.target else []), *draw.others]
    changes = zip(draw.speeds, draw.filled, draw.colours, strict=True)
    played = list(zip(items, list(changes)[-len(items) :], strict=True))
    bands = [item.band_hz * speed for item, (speed, _, _) in played if item.band_hz is not None]
    band = min(bands, default=sample_rate / 2)

    def recording(item: Item, speed: float, fills: bool, colour: Sequence[float]) -> Waveform:
        waveform = resample(read(item, item.sound), round(speed * sample_rate), sample_rate)
        waveform = coloured(waveform, colour, sample_rate)
        sounding = _sounding(waveform, sample_rate)
        placed = laid_out(waveform, length, sounding, sample_rate, random, fills=fills)
        return low_passed(placed, band, sample_rate)

    sounds = [recording(item, *changes) for item, changes in played]
    target = sounds.pop(0) if draw.target else np.zeros(length, dtype=np.float32)
    residual = _stacked(sounds, draw.others_snr_db, sample_rate)
    if draw.snr_db is not None:
        target = at_snr(target, residual, draw.snr_db, sample_rate)
    return target, residual


def _stacked(waveforms: Sequence[Waveform], snr_db: Sequence[float], sample_rate: int) -> Waveform:
    """The sum of the first waveform and the others, each at its level above the first."""
    first, *others = waveforms
    scaled = [at_snr(each, first, snr, sample_rate) for each, snr in zip(others, snr_db, strict=True)]
    total: Waveform = np.sum([first, *scaled], axis=0, dtype=np.float32)
    return total


def _sounding(waveform: Waveform, sample_rate: int) -> Segments:
    return SOUNDING_IN_A_RECORDING.seconds(waveform, sample_rate)
