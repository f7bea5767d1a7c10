"""What benchmarks/engine.py has done to a clip: the same code for every contestant.

A step gets a clip's path or waveform. Encoded clips go into tars, scores into a Parquet table.
"""

from __future__ import annotations

import sys
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import soundfile

from manifests.media import encode_stems

Waveform: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Item = TypeVar("Item")

SAMPLE_RATE = 16_000
SECONDS = 10
SAMPLES = SECONDS * SAMPLE_RATE
CLIPS_A_TASK = 256
"""What is given to a worker at a time, where the contestant lets one choose; also the clips of a tar."""
CLIPS_A_BATCH = 32
"""What passes from step to step at a time, where the contestant works in batches."""
WORKERS = 2


def decode(path: str) -> Waveform:
    """A clip, shape [SAMPLES]."""
    waveform: Waveform = soundfile.read(path, dtype="float32")[0]
    return waveform


def mask(waveform: Waveform) -> Waveform:
    """The frequencies that are louder than the average one."""
    spectrum = np.fft.rfft(waveform)
    loudness = np.abs(spectrum)
    masked = np.fft.irfft(np.where(loudness > loudness.mean(), spectrum, 0), len(waveform))
    return masked.astype(np.float32)


def score(waveform: Waveform) -> float:
    """Level in dB."""
    return float(10 * np.log10(np.mean(np.square(waveform)) + 1e-12))


def encode(waveform: Waveform) -> bytes:
    """FLAC of 24 bits, made by what dataengine stores a sample's audio with."""
    return encode_stems(waveform, sample_rate=SAMPLE_RATE).mixture


def write_tar(tar: Path, clips: Iterable[tuple[str, bytes]]) -> None:
    """Encoded clips under the names of their files."""
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path, encoded in clips:
            member = tarfile.TarInfo(Path(path).name)
            member.size = len(encoded)
            archive.addfile(member, BytesIO(encoded))


@dataclass(frozen=True)
class Task:
    """What a contestant is called with: `contestant.py CLIPS COUNT OUTPUT`."""

    paths: list[str]
    output: Path

    @classmethod
    def from_arguments(cls) -> Task:
        """The first COUNT files of folder CLIPS, and a new folder OUTPUT."""
        clips, count, output = sys.argv[1:4]
        folder = Path(output)
        folder.mkdir(parents=True)
        return cls(clip_paths(Path(clips), int(count)), folder)

    def ready(self) -> None:
        """Note that the work begins: what came before is start-up."""
        (self.output / "ready").write_text(str(time.time()))


def pieces(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`; the last may be shorter."""
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece


def clip_paths(folder: Path, count: int) -> list[str]:
    """The first files of a folder of clips, in order."""
    return [str(path) for path in sorted(folder.iterdir())[:count]]
