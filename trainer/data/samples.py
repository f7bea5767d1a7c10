"""Training samples by position, batches of them as readers hand them over, and as the model takes them.

Readers need no more of the codec than its frames. Its network, if it has one, works where the model is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from dataengine.models.roles import Tagger
from trainer.alignment import heard_in
from trainer.codec.role import Codec, FrameLayout
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
class RenderedBatch:
    """Samples side by side, whose sounds no codec has seen yet."""

    mixture: Tensor
    """[batch, samples], like the stems; silence after the end of a sample."""
    target: Tensor
    residual: Tensor
    x0: Tensor
    """[batch, frames, 2 · channels], noise."""
    t: Tensor
    """[batch], 0..1."""
    text: Tensor
    """See Conditions, as of the three that follow."""
    text_mask: Tensor
    spans: Tensor
    frame_mask: Tensor | None
    dropped: Dropped
    heard: Tensor | None
    """[batch, frames, width], what a tagger hears in the targets, for the auxiliary loss."""

    def to(self, device: torch.device | str) -> RenderedBatch:
        """The same on another device."""
        moved = {
            each.name: value.to(device)
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None
        }
        return replace(self, **moved)


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


def collate(
    samples: Sequence[TrainingSample],
    layout: FrameLayout,
    texts: TextStates,
    times: TimeSampling,
    tagger: Tagger | None = None,
) -> RenderedBatch:
    """A batch of samples for a codec with such frames; what becomes of a sample does not depend on the others.

    With a tagger the batch tells what it hears in the targets.
    """
    mixture, target, residual = (
        pad_sequence([torch.from_numpy(getattr(sample, name)) for sample in samples], True)
        for name in ("mixture", "target", "residual")
    )
    frames = [layout.frames(len(sample.mixture)) for sample in samples]
    spans = [
        span_tokens(sample.spans.present, sample.spans.absent, layout.centres(count))
        for sample, count in zip(samples, frames, strict=True)
    ]
    noise = [
        torch.randn(count, 2 * layout.channels, generator=torch.Generator().manual_seed(sample.noise_seed))
        for sample, count in zip(samples, frames, strict=True)
    ]
    text, text_mask = texts.batch([sample.text for sample in samples])
    return RenderedBatch(
        mixture=mixture,
        target=target,
        residual=residual,
        x0=pad_sequence(noise, True),
        t=times.times(torch.from_numpy(np.array([sample.time for sample in samples], dtype=np.float32))),
        text=text,
        text_mask=text_mask,
        spans=pad_sequence(spans, True, PADDING),
        frame_mask=None
        if len(set(frames)) == 1
        else torch.arange(max(frames)) < torch.tensor(frames)[:, None],
        dropped=Dropped.stack([sample.dropped for sample in samples]),
        heard=None
        if tagger is None
        else heard_in(
            [sample.target for sample in samples], tagger, layout.sample_rate, layout.centres(max(frames))
        ),
    )


def encode(batch: RenderedBatch, codec: Codec) -> TrainingBatch:
    """What the model learns from; the codec is where the batch is."""
    conditions = Conditions(
        mixture=codec.encode(batch.mixture),
        text=batch.text,
        text_mask=batch.text_mask,
        spans=batch.spans,
        frame_mask=batch.frame_mask,
    )
    return TrainingBatch(
        x0=batch.x0,
        x1=torch.cat([codec.encode(batch.target), codec.encode(batch.residual)], dim=-1),
        t=batch.t,
        conditions=conditions.dropped(batch.dropped),
        heard=batch.heard,
    )
