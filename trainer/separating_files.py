"""Separating a recording of any length, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile
import soxr

from dataengine.models.overlapping_windows import Window, crossfaded
from dataengine.models.roles import Waveform
from manifests.media import Recording, open_recording
from trainer.flow.sampling import SamplingConfig
from trainer.separator import Piece, Prompted, Separator

TARGET_FILE, RESIDUAL_FILE = "target.wav", "residual.wav"


def separate_file(
    separator: Separator,
    uri: str,
    out: Path,
    stems: Sequence[str],
    prompt: Prompted,
    sampling: SamplingConfig,
    on_progress: Callable[[float], None],
) -> None:
    """Write target and residual, mono float32 at the recording's own rate; they add up to it.

    Args:
        separator: does the work.
        uri: the recording; its channels are averaged.
        out: an existing folder.
        stems: which of the two: `TARGET_FILE`, `RESIDUAL_FILE`.
        prompt: what is wanted; its own mixture is not looked at.
        sampling: steps and solver.
        on_progress: told how many seconds are done.

    Raises MediaError or OSError for a recording that cannot be read.
    """
    with open_recording(uri) as recording:
        rate = recording.info.sample_rate
        targets = _targets(separator, recording, prompt, sampling)
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(soundfile.SoundFile(out / name, "w", rate, 1, "FLOAT"))
                for name in stems
            }
            done = 0
            for heard in _at_rate(targets, separator.sample_rate, rate):
                mixture = recording.stored(done, len(heard))
                target = heard[: len(mixture)]
                found = {TARGET_FILE: target, RESIDUAL_FILE: mixture - target}
                for name, file in files.items():
                    file.write(found[name])
                done += len(mixture)
                on_progress(done / rate)


def _targets(
    separator: Separator, recording: Recording, prompt: Prompted, sampling: SamplingConfig
) -> Iterator[Waveform]:
    """The target at the separator's rate, stretch by stretch."""
    rate = separator.sample_rate
    windows = separator.windows(round(recording.info.duration * rate))

    def separated() -> Iterator[tuple[Window, Waveform]]:
        while some := list(islice(windows, separator.windows_a_batch)):
            pieces = [
                Piece(prompt, each, recording.read(each.start / rate, each.length / rate, rate))
                for each in some
            ]
            found = separator.hear_pieces(pieces, sampling)
            yield from ((window, heard.target) for window, heard in zip(some, found, strict=True))

    yield from crossfaded(separated())


def _at_rate(stretches: Iterator[Waveform], from_rate: int, to_rate: int) -> Iterator[Waveform]:
    """The same sound at another rate, stretch by stretch, without seams, and a little silence at the end.

    Rounding may leave it a sample short of what it was made from; what is too long does no harm.
    """
    if from_rate == to_rate:
        yield from stretches
        return
    resampler = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    for stretch in stretches:
        yield resampler.resample_chunk(stretch)
    yield resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
    yield np.zeros(-(-to_rate // from_rate), dtype=np.float32)
