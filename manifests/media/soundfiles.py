"""Plain sound files through libsndfile: WAV, AIFF, FLAC, Ogg Vorbis and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from manifests.media.errors import CorruptMediaError, check_plausible
from manifests.media.info import MediaInfo, Waveform
from manifests.media.source import Source

if TYPE_CHECKING:
    import soundfile

BLOCK_FRAMES = 65_536
"""Frames that are decoded at a time: what many channels may cost in memory."""


def recognises(head: bytes) -> bool:
    """Whether libsndfile is the decoder for a file that begins with these bytes.

    MP3 is left to libav: libsndfile guesses the length of one without a length header. Ogg too, unless
    Vorbis is all it holds.
    """
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return head[8:12] == b"WAVE"
    if head[:4] == b"FORM":
        return head[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV")
    if head[:4] == b"OggS":
        return b"\x01vorbis" in head[:64] and b"theora" not in head
    return head[:4] in (b"fLaC", b"riff", b"caff", b".snd", b"dns.", b"NIST") or head.startswith(
        b"Creative Voice File"
    )


class SoundFileDecoder:
    """Decodes one file whose header says rightly how long it is.

    Every call opens the file anew, so that no call depends on an earlier one: libsndfile returns wrong
    samples when it seeks several times in one open Ogg file.
    """

    def __init__(self, source: Source) -> None:
        import soundfile

        self._source = source
        with source.decoding():
            source.seek(0)
            with soundfile.SoundFile(source) as file:
                rate, channels, frames = file.samplerate, file.channels, file.frames
                container = file.format.lower().removesuffix("x")
                check_plausible(rate, channels)
                if frames and not _ends_at(file, frames):
                    raise CorruptMediaError(f"the header announces {frames} frames, more than there are")
        self.info = MediaInfo(container, rate, channels, frames, has_video=False, bytes=source.size)

    def read(self, first: int, count: int, channel: int | None = None) -> Waveform:
        """Samples of one channel, or the mean of all; fewer where the recording ends."""
        import soundfile

        mono = np.zeros(count, np.float32)
        done = 0
        with self._source.decoding():
            self._source.seek(0)
            with soundfile.SoundFile(self._source) as file:
                file.seek(first)
                while done < count:
                    block = file.read(min(BLOCK_FRAMES, count - done), dtype="float32", always_2d=True)
                    if not len(block):
                        break
                    mono[done : done + len(block)] = _one_channel(block, channel)
                    done += len(block)
        return mono[:done]


def _one_channel(block: Waveform, channel: int | None) -> Waveform:
    """[frames] from [frames, channels]: one channel, or their mean."""
    if channel is None and block.shape[1] > 1:
        mean: Waveform = block.mean(axis=1)
        return mean
    return block[:, channel or 0]


def _ends_at(file: soundfile.SoundFile, frames: int) -> bool:
    """Whether the last frame that the header announces is there."""
    import soundfile

    try:
        file.seek(frames - 1)
        return len(file.read(1, dtype="float32")) == 1
    except soundfile.SoundFileError:
        return False
