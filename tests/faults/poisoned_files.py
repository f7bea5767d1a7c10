"""Files that are no recordings, or bad ones, each in its own way, under names that promise a recording."""

from __future__ import annotations

import io
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 16_000
GIGABYTES_2 = 2**31 - 36


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Shape [samples], half of full scale."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)


def wav(samples: np.ndarray, rate: int = RATE, channels: int = 1, claimed_bytes: int | None = None) -> bytes:
    """A float WAV file with whatever its header is to claim."""
    data = samples.astype("<f4").tobytes()
    claimed = len(data) if claimed_bytes is None else claimed_bytes
    form = struct.pack("<HHIIHH", 3, channels, rate, rate * channels * 4 & 0xFFFFFFFF, channels * 4, 32)
    head = b"RIFF" + struct.pack("<I", min(claimed + 36, 2**32 - 1)) + b"WAVEfmt " + struct.pack("<I", 16)
    return head + form + b"data" + struct.pack("<I", claimed) + data


def flac(samples: np.ndarray, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="FLAC")
    return buffer.getvalue()


def mp3(seconds: float, rate: int) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(noise(seconds, rate)[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, "mono", rate, frame_size=stream.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(piece))
    return buffer.getvalue()


def video(path: Path, sound: bool) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        pictures = container.add_stream("mpeg4", rate=5)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(noise(2)[None], format="fltp", layout="mono")
            frame.sample_rate = RATE
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))


def flac_that_claims(frames: int) -> bytes:
    """A FLAC file whose header announces so many frames; the count has 36 bits."""
    content = bytearray(flac(noise(0.5)))
    content[21] = content[21] & 0xF0 | frames >> 32
    content[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(content)


def video_without_sound(path: Path) -> None:
    video(path, sound=False)


def video_without_its_index(path: Path) -> None:
    video(path, sound=True)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"moov") - 4])


def symbolic_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def directory(path: Path) -> None:
    path.mkdir()


def named_pipe(path: Path) -> None:
    os.mkfifo(path)


def endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def nobody_may_read(path: Path) -> None:
    path.write_bytes(flac(noise(1)))
    path.chmod(0)


def _content(content: Callable[[], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content()) and None


KINDS: dict[str, Callable[[Path], None]] = {
    "no bytes": _content(lambda: b""),
    "cut off": _content(lambda: flac(noise(1))[:3000]),
    "cut off in the header": _content(lambda: flac(noise(1))[:30]),
    "text": _content(lambda: b"This is not the sound you are looking for.\n" * 50),
    "picture": _content(lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 20),
    "random bytes": _content(lambda: np.random.default_rng(1).bytes(20_000)),
    "random bytes behind the header of an MP3": _content(
        lambda: b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00" + np.random.default_rng(2).bytes(9_000)
    ),
    "announces ten times its length": _content(lambda: wav(noise(0.1), claimed_bytes=640_000)),
    "claims 2 GB": _content(lambda: wav(noise(0.1), claimed_bytes=GIGABYTES_2)),
    "claims a month": _content(lambda: flac_that_claims(2**36 - 1)),
    "0 Hz": _content(lambda: wav(noise(1), rate=0)),
    "4 GHz": _content(lambda: wav(noise(1), rate=4_000_000_000)),
    "600 channels": _content(lambda: wav(np.zeros(600 * 1000), channels=600)),
    "no channels": _content(lambda: wav(noise(1), channels=0)),
    "NaN": _content(lambda: wav(np.full(2 * RATE, np.nan))),
    "infinite": _content(lambda: wav(np.full(2 * RATE, np.inf))),
    "rate changes": _content(lambda: mp3(0.5, 44_100) + mp3(2, 22_050)),
    "video without sound": video_without_sound,
    "video without its index": video_without_its_index,
    "symbolic link to itself": symbolic_link_to_itself,
    "directory": directory,
    "named pipe": named_pipe,
    "endless device": endless_device,
    "nobody may read": nobody_may_read,
}
"""What a file may be instead of a recording of a second; each is a function that makes one at a path."""


def put(kind: str, path: Path) -> None:
    """Put a bad file of this kind where another may be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    KINDS[kind](path)
