"""Media files for the tests, made with the real encoders."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".aiff": "AIFF"}
BLOCK = 4096


def sound(seconds: float, rate: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """A sweep and noise that comes and goes: no two places are alike. Shape [samples, channels]."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    sweep = 0.2 * np.sin(2 * np.pi * (200 * time + 40 * time**2 / max(seconds, 1)))
    noise = 0.05 * generator.standard_normal((len(time), channels)) * np.sin(2 * np.pi * time)[:, None]
    return (sweep[:, None] + noise).astype(np.float32)


def write_sound(path: Path, samples: np.ndarray, rate: int, subtype: str | None = None) -> Path:
    """A file of libsndfile's; written in blocks because libsndfile crashes on long Vorbis writes."""
    with soundfile.SoundFile(
        path, "w", rate, samples.shape[1], subtype=subtype, format=FORMATS[path.suffix]
    ) as file:
        for start in range(0, len(samples), BLOCK):
            file.write(samples[start : start + BLOCK])
    return path


def write_container(
    path: Path,
    samples: np.ndarray | None,
    rate: int,
    codec: str,
    *,
    video: bool = False,
    cover: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """A file of libav's: sound, and where wanted a second of moving pictures or a cover picture."""
    with av.open(str(path), "w") as container:
        audio: Any = None
        if samples is not None:
            layout = "mono" if samples.shape[1] == 1 else "stereo"
            audio = container.add_stream(codec, rate=rate, layout=layout, options=options or {})
        pictures: Any = None
        if video or cover:
            pictures = container.add_stream("mjpeg" if cover else "mpeg4", rate=5)
            pictures.width, pictures.height = 64, 64
            pictures.pix_fmt = "yuvj420p" if cover else "yuv420p"
            if cover:
                pictures.disposition = av.stream.Disposition.attached_pic
            for shade in range(1 if cover else 5):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), shade * 20, np.uint8))
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
        if samples is not None:
            _encode(container, audio, samples, rate)
    return path


def write_film(
    path: Path,
    pictures: Iterable[tuple[float, np.ndarray]],
    samples: np.ndarray,
    rate: int,
    *,
    video: str = "libx264",
    audio: str = "aac",
    options: dict[str, str] | None = None,
    frames_per_second: int = 25,
    quarter_turns: int = 0,
    pixel_aspect: Fraction = Fraction(1),
    sound_at: float = 0.0,
) -> Path:
    """A file of libav's with a sound and pictures, each [height, width, 3] and with the time it is shown at.

    Times are those of the container's clock, as is `sound_at`, where the sound begins.
    """
    with av.open(str(path), "w") as container:
        layout = "mono" if samples.shape[1] == 1 else "stereo"
        heard = container.add_stream(audio, rate=rate, layout=layout)
        seen: Any = container.add_stream(video, rate=frames_per_second, options=options or {})
        seen.pix_fmt = "yuv420p"
        if quarter_turns:
            seen.set_display_rotation(90.0 * quarter_turns)
        for time, picture in pictures:
            if not seen.codec_context.is_open:
                seen.height, seen.width = picture.shape[:2]
                seen.codec_context.sample_aspect_ratio = pixel_aspect
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = round(time * 90_000), Fraction(1, 90_000)
            container.mux(seen.encode(frame))
        container.mux(seen.encode(None))
        _encode(container, heard, samples, rate, round(sound_at * rate))
    return path


def _encode(container: Any, stream: Any, samples: np.ndarray, rate: int, first: int = 0) -> None:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples.T), format="fltp", layout=stream.layout.name
    )
    frame.sample_rate, frame.pts = rate, first
    resampler = av.AudioResampler(
        format=stream.format.name, layout=stream.layout.name, rate=rate, frame_size=stream.frame_size or 1024
    )
    for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
        container.mux(stream.encode(piece))


def whole(path: Path) -> tuple[np.ndarray, int]:
    """All samples as mono, decoded from first to last without a seek, and the rate."""
    if path.suffix in FORMATS:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return samples.mean(axis=1), rate
    pieces = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            planes = frame.to_ndarray()
            if planes.dtype == np.int16:
                planes = planes / 2.0**15
            if not frame.format.is_planar:
                planes = planes.reshape(-1, frame.layout.nb_channels).T
            pieces.append(planes.mean(axis=0))
            rate = frame.sample_rate
    return np.concatenate(pieces).astype(np.float32), rate
