"""Training samples by position, and batches of them as the model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from dataengine.models.roles import Tagger
from trainer.alignment import heard_in
from trainer.codec.role import Codec
from trainer.conditions import Conditions, Dropped, TextStates, span_tokens
from trainer.conditions.spans import PADDING
from trainer.data.drawing import Drawing
from trainer.data.rendering import Reader, TrainingSample, render
from trainer.flow.times import TimeSampling


class TrainingSamples(Dataset[TrainingSample]):
    """The sample at any position; it has no end."""

    def __init__(self, drawing: Drawing, read: Reader, sample_rate: int) -> None:
        self._drawing, self._read, self._sample_rate = drawing, read, sample_rate

    def __getitem__(self, position: int) -> TrainingSample:
        return render(self._drawing.draw(position), self._read, self._sample_rate)


@dataclass(frozen=True)
class TrainingBatch:
    """What a training step takes."""

    x0: Tensor
    """[batch, frames, 2 · channels], noise."""
    x1: Tensor
    """[batch, frames, 2 · channels], target and residual."""
    t: Tensor
    """[batch], 0..1."""
    conditions: Conditions
    heard: Tensor | None = None
    """[batch, frames, width], what a tagger hears in the targets, for the auxiliary loss."""

    def to(self, device: torch.device | str) -> TrainingBatch:
        """The same on another device."""
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in ("x0", "x1", "t")}
        heard = None if self.heard is None else self.heard.to(device, non_blocking=True)
        return replace(self, **moved, conditions=self.conditions.to(device), heard=heard)


def encode(
    samples: Sequence[TrainingSample],
    codec: Codec,
    texts: TextStates,
    times: TimeSampling,
    tagger: Tagger | None = None,
) -> TrainingBatch:
    """A batch of samples; what becomes of a sample does not depend on the others.

    With a tagger the batch tells what it hears in the targets.
    """
    mixture, target, residual = (
        codec.encode(pad_sequence([torch.from_numpy(getattr(sample, name)) for sample in samples], True))
        for name in ("mixture", "target", "residual")
    )
    frames = [codec.frames(len(sample.mixture)) for sample in samples]
    spans = [
        span_tokens(sample.spans.present, sample.spans.absent, codec.centres(count))
        for sample, count in zip(samples, frames, strict=True)
    ]
    noise = [
        torch.randn(count, 2 * codec.channels, generator=torch.Generator().manual_seed(sample.noise_seed))
        for sample, count in zip(samples, frames, strict=True)
    ]
    text, text_mask = texts.batch([sample.text for sample in samples])
    conditions = Conditions(
        mixture=mixture,
        text=text,
        text_mask=text_mask,
        spans=pad_sequence(spans, True, PADDING),
        frame_mask=None
        if len(set(frames)) == 1
        else torch.arange(max(frames)) < torch.tensor(frames)[:, None],
    )
    return TrainingBatch(
        x0=pad_sequence(noise, True),
        x1=torch.cat([target, residual], dim=-1),
        t=times.times(torch.from_numpy(np.array([sample.time for sample in samples], dtype=np.float32))),
        conditions=conditions.dropped(Dropped.stack([sample.dropped for sample in samples])),
        heard=None
        if tagger is None
        else heard_in(
            [sample.target for sample in samples], tagger, codec.sample_rate, codec.centres(max(frames))
        ),
    )
