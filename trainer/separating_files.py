"""Separating a recording of any length, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile
import soxr

from dataengine.models.overlapping_windows import Window, crossfaded
from dataengine.models.roles import Matrix, SpanPredictor, Spans, Waveform
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
    predictor: SpanPredictor | None = None,
) -> None:
    """Write target and residual, mono float32 at the recording's own rate.

    Args:
        separator: does the work.
        uri: the recording; its channels are averaged.
        out: an existing folder.
        stems: which of the two: `TARGET_FILE`, `RESIDUAL_FILE`.
        prompt: what is wanted; its own mixture is not looked at.
        sampling: steps and solver.
        on_progress: told how many seconds are done.
        predictor: says in each window when what the prompt's text names is heard, in place of the prompt's spans.

    Raises MediaError or OSError for a recording that cannot be read.
    """
    with open_recording(uri) as recording:
        rate = recording.info.sample_rate
        heard = _heard(separator, recording, prompt, sampling, predictor)
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(soundfile.SoundFile(out / name, "w", rate, 1, "FLOAT"))
                for name in stems
            }
            done = 0
            for target, residual in _at_rate(heard, separator.sample_rate, rate):
                mixture = recording.stored(done, len(target))
                target, residual = target[: len(mixture)], residual[: len(mixture)]
                found = {TARGET_FILE: target, RESIDUAL_FILE: separator.left(mixture, target, residual)}
                for name, file in files.items():
                    file.write(found[name])
                done += len(mixture)
                on_progress(done / rate)


def _heard(
    separator: Separator,
    recording: Recording,
    prompt: Prompted,
    sampling: SamplingConfig,
    predictor: SpanPredictor | None,
) -> Iterator[Matrix]:
    """Target and residual [2, samples] at the separator's rate, stretch by stretch."""
    rate = separator.sample_rate
    windows = separator.windows(round(recording.info.duration * rate))

    def piece(window: Window) -> Piece:
        mixture = recording.read(window.start / rate, window.length / rate, rate)
        spans = prompt.spans if predictor is None else _predicted(predictor, prompt, window, mixture, rate)
        return Piece(replace(prompt, spans=spans), window, mixture)

    def separated() -> Iterator[tuple[Window, Matrix]]:
        while some := list(islice(windows, separator.windows_a_batch)):
            pieces = [piece(each) for each in some]
            found = separator.hear_pieces(pieces, sampling)
            for window, heard in zip(some, found, strict=True):
                yield window, np.stack([heard.target, heard.residual])

    yield from crossfaded(separated())


def _predicted(
    predictor: SpanPredictor, prompt: Prompted, window: Window, mixture: Waveform, sample_rate: int
) -> Spans:
    """When what the text names is heard in a window, in seconds of the recording; nothing is said if it is not."""
    assert prompt.text is not None
    (spans,) = predictor.predict([prompt.text], [mixture], sample_rate)
    begin = window.start / sample_rate
    return tuple((begin + start, begin + end) for start, end in spans)


def _at_rate(stretches: Iterator[Matrix], from_rate: int, to_rate: int) -> Iterator[Matrix]:
    """The same sounds [2, samples] at another rate, stretch by stretch, without seams, and a little silence at the end.

    Rounding may leave them a sample short of what they were made from; what is too long does no harm.
    """
    if from_rate == to_rate:
        yield from stretches
        return
    resampler = soxr.ResampleStream(from_rate, to_rate, 2, dtype="float32", quality="HQ")
    for stretch in stretches:
        yield resampler.resample_chunk(np.ascontiguousarray(stretch.T)).T
    yield resampler.resample_chunk(np.zeros((0, 2), dtype=np.float32), last=True).T
    yield np.zeros((2, -(-to_rate // from_rate)), dtype=np.float32)
