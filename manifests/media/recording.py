"""Reading windows of a recording as mono waveforms at the rate one asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np

from manifests.media.containers import ContainerDecoder
from manifests.media.errors import (
    CorruptMediaError,
    NoAudioError,
    NonFiniteSamplesError,
    TruncatedMediaError,
    check_length,
)
from manifests.media.info import Decoder, MediaInfo, Waveform
from manifests.media.soundfiles import SoundFileDecoder, recognises
from manifests.media.source import Source, open_source

PADDING_SECONDS = 0.05
"""A window that ends this little after the recording is padded with silence: two frames of a lossy codec."""
MARGIN_SAMPLES = 512
"""Samples, at the lower of the two rates, that are read on both sides of a window for the resampler."""
HEAD_BYTES = 4096


class Recording:
    """An open recording, for reading one window or many.

    What `read` returns depends on nothing but its arguments, whatever was read before.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    @property
    def info(self) -> MediaInfo:
        """Facts of the recording."""
        return self._decoder.info

    def stored(self, first: int, count: int, channel: int | None = None) -> Waveform:
        """Mono samples `first` to `first + count` at the stored rate; fewer where the recording ends."""
        behind = first >= self.info.frames
        samples = np.zeros(0, np.float32) if behind else self._decoder.read(first, count, channel)
        if not np.isfinite(samples).all():
            raise NonFiniteSamplesError("the recording has samples that are NaN or infinite")
        return samples

    def read(self, start: float, duration: float, sample_rate: int, channel: int | None = None) -> Waveform:
        """A window as mono float32 at `sample_rate`, of exactly `round(duration * sample_rate)` samples.

        Channels are averaged, unless one is named, counted from 0. `start` and `duration` are in seconds.
        Where the rate differs, the window is what resampling the whole recording gives there (soxr, high
        quality), edges included.
        Raises MediaError (TruncatedMediaError if the window lies behind the end) or OSError.
        """
        if start < 0 or duration <= 0:
            raise ValueError(f"a window from {start} s, {duration} s long")
        wanted = round(duration * sample_rate)
        waveform = self._at_rate(start, wanted, sample_rate, channel)[:wanted]
        missing = wanted - len(waveform)
        if missing > PADDING_SECONDS * sample_rate:
            raise TruncatedMediaError(
                f"the recording ends {missing / sample_rate:.3f} s before the window from {start:g} s to "
                f"{start + duration:g} s does"
            )
        return np.pad(waveform, (0, missing)) if missing else waveform

    def _at_rate(self, start: float, wanted: int, sample_rate: int, channel: int | None) -> Waveform:
        stored = self.info.sample_rate
        first = round(start * stored)
        if stored == sample_rate:
            return self.stored(first, wanted, channel)
        import soxr

        # A margin of whole periods of both rates keeps the resampler's grid where the window starts.
        period = stored // math.gcd(stored, sample_rate)
        margin = math.ceil(MARGIN_SAMPLES * max(1.0, stored / sample_rate) / period) * period
        before = min(margin, first // period * period)
        count = before + math.ceil(wanted * stored / sample_rate) + margin
        resampled: Waveform = soxr.resample(
            self.stored(first - before, count, channel), stored, sample_rate, quality="HQ"
        )
        return resampled[before * sample_rate // stored :]


@contextmanager
def open_recording(uri: str) -> Iterator[Recording]:
    """Open a recording: a local path or any URI that fsspec reads.

    Raises MediaError if the content is bad, OSError if it cannot be reached.
    """
    with open_source(uri) as source, recording_in(source) as recording:
        yield recording


@contextmanager
def recording_in(source: Source) -> Iterator[Recording]:
    """The recording in a source that is open already. Raises as `open_recording` does."""
    decoder = _decoder(source)
    try:
        yield Recording(decoder)
    finally:
        if isinstance(decoder, ContainerDecoder):
            decoder.close()


def probe(uri: str) -> MediaInfo:
    """Facts of a recording. Raises as `open_recording` does."""
    with open_recording(uri) as recording:
        return recording.info


def read_window(uri: str, start: float, duration: float, sample_rate: int) -> Waveform:
    """One window of a recording; see `Recording.read`."""
    with open_recording(uri) as recording:
        return recording.read(start, duration, sample_rate)


def _decoder(source: Source) -> Decoder:
    with source.decoding():
        source.seek(0)
        head = source.read(HEAD_BYTES)
    decoder: Decoder | None = None
    if recognises(head):
        with suppress(CorruptMediaError):  # libav knows more codecs, and measures what a header says wrong
            decoder = SoundFileDecoder(source)
    if decoder is None:
        decoder = ContainerDecoder(source)
    check_length(decoder.info.duration)
    if not decoder.info.frames:
        raise NoAudioError("the audio has no samples")
    return decoder
