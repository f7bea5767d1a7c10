"""The pictures of video files: a window's frames, at fixed times.

Time zero is the first sample of the sound, as it is for waveforms: a window's frames and its waveform go together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from manifests.media.errors import CorruptMediaError, ImplausibleMediaError, UnknownFormatError
from manifests.media.source import Source, open_source
from manifests.media.streams import (
    audio_stream,
    decoded,
    open_container,
    seconds_of,
    seek,
    video_stream,
)

Frames: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
"""[time, height, width, 3], RGB."""

MAX_PIXELS = 8192 * 8192
"""Of a frame as stored: the largest panoramas; more is a damaged or hostile header."""
MAX_DECODED = 100_000
"""Frames that are decoded for one window: an hour at 25 a second, should there be nowhere to seek to."""
SECONDS_EARLIER = (0.0, 10.0, math.inf)
"""How far before a window to seek to, one after the other: without an index, a seek may lead too far."""
STAMP_TOLERANCE_SECONDS = 0.001
"""A frame stamped this much after a tick may have been there at the tick: clocks are coarse."""


class Video:
    """An open recording, for reading the frames of one window or many; each call stands for itself."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(
        self, start: float, duration: float, frames_per_second: float, longest_side: int
    ) -> Frames | None:
        """What is seen at `start`, and from there `frames_per_second` times a second until the window ends.

        Each frame is the one shown at that time: the last one stamped at or before it; before the first frame of
        the file, the first. Frames are upright and of square pixels, as a player shows them; larger ones are scaled
        so that the longer side has `longest_side` pixels. `start` and `duration` are in seconds.

        None if no picture is shown in the window: there is no video, or it ends before or begins after.
        Raises MediaError or OSError.
        """
        if start < 0 or duration <= 0:
            raise ValueError(f"a window from {start} s, {duration} s long")
        count = max(1, math.ceil(duration * frames_per_second - 1e-6))
        ticks = [start + tick / frames_per_second for tick in range(count)]
        with self._source.decoding():
            for earlier in SECONDS_EARLIER:
                begin = max(start - earlier, 0.0)
                with closing(open_container(self._source)) as container:
                    pictures = _pictures(container, begin, needed_from=start)
                    first = next(pictures, None)
                    if begin and (first is None or first.begin > start):
                        continue  # the seek led too far
                    seen = _seen(chain([first], pictures), ticks, start + duration) if first else ()
                    return _pixels(seen, count, longest_side)
        return None


@dataclass(frozen=True)
class _Picture:
    """A decoded frame, and when it is on the screen: seconds from the audio's first sample."""

    begin: float
    end: float
    """If nothing follows."""
    pixel_aspect: float
    """Width of a stored pixel over its height."""
    frame: Any


@contextmanager
def open_video(uri: str) -> Iterator[Video]:
    """Open a recording: a local path or any URI that fsspec reads. Raises MediaError or OSError."""
    with open_source(uri) as source:
        yield Video(source)


def read_frames(
    uri: str, start: float, duration: float, frames_per_second: float, longest_side: int
) -> Frames | None:
    """The frames of one window; see `Video.read`."""
    with open_video(uri) as video:
        return video.read(start, duration, frames_per_second, longest_side)


def _pictures(container: Any, begin: float, needed_from: float) -> Iterator[_Picture]:
    """The video from a picture at or before `begin` on; nothing if there is none."""
    stream, audio = video_stream(container), audio_stream(container)
    if stream is None:
        return
    if stream.codec_context is None:
        raise UnknownFormatError("no decoder for the codec of the video")
    stream.codec_context.thread_count = 1  # parallel work comes from more workers
    _check_pixels(stream.codec_context)
    if begin:
        seek(container, stream, begin, audio)
    usual = float(1 / stream.average_rate) if stream.average_rate else 0.0
    aspect = float(stream.sample_aspect_ratio or 1)
    for number, frame in enumerate(decoded(container, stream, audio, needed_from)):
        if number == MAX_DECODED:
            raise ImplausibleMediaError(f"more than {MAX_DECODED:,} frames to decode for one window")
        if frame.pts is None:
            raise CorruptMediaError("the video stream has no time stamps")
        _check_pixels(frame)
        clock = frame.time_base or stream.time_base
        at = seconds_of(frame.pts, clock, audio)
        yield _Picture(at, at + (float((frame.duration or 0) * clock) or usual), aspect, frame)


def _seen(pictures: Iterator[_Picture], ticks: Sequence[float], end: float) -> Iterator[_Picture]:
    """For each tick the picture on the screen; nothing if none is before `end`, or all end before the first tick."""
    current, following = next(pictures), next(pictures, None)
    for tick in ticks:
        while following is not None and following.begin <= tick + STAMP_TOLERANCE_SECONDS:
            current, following = following, next(pictures, None)
        if current.begin >= end or (following is None and current.end <= ticks[0]):
            return
        yield current


def _pixels(pictures: Iterable[_Picture], count: int, longest_side: int) -> Frames | None:
    """[count, height, width, 3], all of the size of the first; None if there are no pictures."""
    frames: Frames | None = None
    for row, picture in enumerate(pictures):
        if frames is None:
            shape, before = _Shape.of(picture, longest_side), picture
            pixels = shape.applied(picture.frame)
            frames = np.empty((count, *pixels.shape), np.uint8)
        if picture is not before:
            before, pixels = picture, shape.applied(picture.frame)
        frames[row] = pixels
    return frames


@dataclass(frozen=True)
class _Shape:
    """How decoded frames become what a player shows."""

    width: int
    """In square pixels, before turning."""
    height: int
    quarter_turns: int
    """Counterclockwise."""

    @classmethod
    def of(cls, picture: _Picture, longest_side: int) -> _Shape:
        width, height = picture.frame.width * picture.pixel_aspect, picture.frame.height
        scale = min(1.0, longest_side / max(width, height))
        turns = round(picture.frame.rotation / 90)
        return cls(max(1, round(width * scale)), max(1, round(height * scale)), turns)

    def applied(self, frame: Any) -> Frames:
        """[height, width, 3], RGB."""
        pixels = frame.to_ndarray(format="rgb24", width=self.width, height=self.height, interpolation="AREA")
        return np.rot90(pixels, self.quarter_turns)


def _check_pixels(picture: Any) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise ImplausibleMediaError(
            f"frames of {picture.width} × {picture.height} pixels; believed are {MAX_PIXELS:,}"
        )
