"""Everything else through libav: MP3, AAC, Opus, and the sound of video files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from manifests.media.errors import (
    CorruptMediaError,
    check_length,
    check_plausible,
)
from manifests.media.info import MediaInfo, Waveform
from manifests.media.source import Source
from manifests.media.streams import (
    audio_stream,
    decoded,
    open_container,
    seconds_of,
    seek,
    video_stream,
)

PREROLL_SECONDS = 0.5
"""Decoded ahead of a window and thrown away, so that no decoder's memory of what came before is missed."""
END_TOLERANCE_SECONDS = 0.1
"""A declared end this close to the last packet's is the more exact of the two: it knows the padding."""
GAP_SECONDS = 0.02
"""Time stamps that jump by more than this leave a gap; less is the rounding of a coarse clock."""

_NAMES = {"mov": "mp4", "matroska": "matroska", "asf_o": "asf"}
_FULL_SCALE = {"u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "f4": 1.0, "f8": 1.0}


class ContainerDecoder:
    """Decodes one file by seeking to just before what is asked for.

    The container is opened anew for each call, so that no call depends on an earlier one (AAC decoders
    continue a sequence of noise across seeks). MP3 is the exception: it has no index, libav scans for
    one when it first seeks, and its decoder forgets all at a seek.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: Any = None
        with source.decoding():
            container = self._open()
            try:
                self.info = _probe(container, source.size)
            finally:
                self._done_with(container)
        self._check_decodes()

    def close(self) -> None:
        """Close the container."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def read(self, first: int, count: int, channel: int | None = None) -> Waveform:
        """Samples of one channel, or the mean of all; fewer where the recording ends."""
        with self._source.decoding():
            container = self._open()
            try:
                rewind = container is self._kept
                return _decode(container, self.info.sample_rate, first, count, channel, rewind=rewind)
            finally:
                self._done_with(container)

    def _check_decodes(self) -> None:
        """Refuse what no window can be read from: encrypted streams, data that looks like a frame or two."""
        try:
            self.read(0, 1)
        except CorruptMediaError:
            self.read(self.info.frames // 2, 1)

    def _open(self) -> Any:
        if self._kept is not None:
            return self._kept
        container = open_container(self._source)
        if container.format.name == "mp3":
            self._kept = container
        return container

    def _done_with(self, container: Any) -> None:
        if container is not self._kept:
            container.close()


def _probe(container: Any, size: int) -> MediaInfo:
    stream = audio_stream(container)
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    check_plausible(rate, channels)
    seconds = _measured_seconds(container, stream)
    check_length(seconds)
    name = container.format.name.split(",")[0]
    return MediaInfo(
        container=_NAMES.get(name, name),
        sample_rate=rate,
        channels=channels,
        frames=round(seconds * rate),
        has_video=video_stream(container) is not None,
        bytes=size,
    )


def _measured_seconds(container: Any, stream: Any) -> float:
    """Length of the audio by its last packet; the declared one may be missing, estimated or a lie."""
    declared = float(container.duration / 1_000_000) if container.duration else None
    if stream.duration and stream.time_base:
        declared = float(stream.duration * stream.time_base)
    measured = 0.0
    if declared is not None:
        measured = _last_packet_end(container, stream, after=declared - 1.0)
    if not measured:
        measured = _last_packet_end(container, stream, after=0.0)
    if declared is not None and abs(measured - declared) <= END_TOLERANCE_SECONDS:
        return min(measured, declared)
    return measured


def _last_packet_end(container: Any, stream: Any, after: float) -> float:
    """Where the last packet after a time ends, in seconds from the stream's start; 0 if there is none."""
    import av

    end: int | None = None
    try:
        seek(container, stream, after, audio=stream)
        for packet in container.demux(stream):
            if packet.pts is not None:
                end = max(end or 0, packet.pts + (packet.duration or 0))
    except av.FFmpegError:
        pass  # what lies behind the damage cannot be read: the recording ends before it
    return 0.0 if end is None else seconds_of(end, stream.time_base, stream)


def _decode(container: Any, rate: int, first: int, count: int, channel: int | None, rewind: bool) -> Waveform:
    """Mono samples `first` to `first + count`; the gaps between them are silence.

    A container just opened stands at its first packet, which may prime the decoder and lie before time
    zero, where no seek leads.
    """
    stream = audio_stream(container)
    mono = np.zeros(count, np.float32)
    end = 0
    before = first / rate - PREROLL_SECONDS
    if before > 0:
        seek(container, stream, before, audio=stream)
    elif rewind:
        container.seek(0, stream=stream)
    for position, frame in _placed(container, stream, rate, first):
        begin, stop = max(position, first), min(position + frame.samples, first + count)
        if begin < stop:
            mono[begin - first : stop - first] = _mono(frame, channel)[begin - position : stop - position]
            end = stop - first
        if position + frame.samples >= first + count:
            break
    return mono[:end]


def _placed(container: Any, stream: Any, rate: int, first: int) -> Iterator[tuple[int, Any]]:
    """Decoded frames with their position in samples, from before `first` on."""
    expected: int | None = None
    for frame in decoded(container, stream, stream, first / rate):
        if frame.sample_rate != rate:
            raise CorruptMediaError(f"the sample rate changes from {rate} to {frame.sample_rate} Hz")
        position = expected
        if frame.pts is not None:
            stamped = round(seconds_of(frame.pts, frame.time_base or stream.time_base, stream) * rate)
            if expected is None:
                position = _on_frame_grid(stamped, frame, stream)
            elif abs(stamped - expected) > GAP_SECONDS * rate:
                position = stamped
        if position is None:
            raise CorruptMediaError("the audio stream has no time stamps")
        expected = position + frame.samples
        yield position, frame


def _on_frame_grid(stamped: int, frame: Any, stream: Any) -> int:
    """A position without the rounding of a clock coarser than the samples, such as Matroska's 1 ms.

    Where frames have a constant size, theirs are multiples of it; other positions stay half a tick off.
    """
    on_grid: int = round(stamped / frame.samples) * frame.samples
    half_tick = float(stream.time_base / 2) * frame.sample_rate
    return on_grid if half_tick >= 1 and abs(on_grid - stamped) <= half_tick + 1 else stamped


def _mono(frame: Any, channel: int | None) -> Waveform:
    """One of a frame's channels, or the mean of all; full scale at ±1."""
    samples = frame.to_ndarray()
    check_plausible(frame.sample_rate, frame.layout.nb_channels)
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    kind = samples.dtype.str[1:]
    if kind not in _FULL_SCALE:
        raise CorruptMediaError(f"samples of format {frame.format.name}")
    if channel is not None:
        samples = samples[channel : channel + 1]
    mono = samples.mean(axis=0, dtype=np.float64 if kind in ("i4", "f8") else np.float32)
    if kind == "u1":
        mono -= 128.0
    scaled: Waveform = (mono / _FULL_SCALE[kind]).astype(np.float32)
    return scaled
