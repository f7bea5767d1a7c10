"""The diffusion transformer: from noisy stems, a time and conditions to what the flow needs to know.

After the reference's released configuration: adaLN-single (Chen et al. 2023, PixArt-α), RMS norms before
self-attention and feed-forward, RMS-normalised queries and keys, rotary positions in self-attention,
cross-attention to the text in every block, SwiGLU, no biases in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.conditions.batch import Conditions
from trainer.conditions.mixture import mixture_features, mixture_width
from trainer.conditions.spans import SpanGate
from trainer.conditions.text import TextMemory
from trainer.conditions.video import VideoGate
from trainer.layers import (
    Attention,
    ConvolutionBlock,
    RMSNorm,
    SwiGLU,
    TimeEmbedding,
    mean_over_tokens,
    modulate,
    rotations,
)


@dataclass(frozen=True)
class DiTConfig:
    """The size of a DiT."""

    channels: int
    """Numbers in a latent frame of the codec."""
    dim: int
    blocks: int
    heads: int
    hidden: int
    """Width of the SwiGLU in each block."""
    text_width: int
    """Numbers in a state of the text encoder."""
    video_width: int = 1024
    """Numbers in the feature of a video frame."""
    transform_power: float | None = None
    """The power by which a codec that is a transform compresses its coefficients: the mixture's log magnitudes stand
    beside its latents then."""
    text_modulation: bool = False
    """Whether the mean of the text's states is added to the time's embedding, and so modulates all blocks. The
    reference has cross-attention alone; a small network learns sooner what it is asked for when it is told twice."""
    alignment_block: int = 1
    """Number, from 1, of the block after which the auxiliary loss reads the hidden states."""


class DiTOutput(NamedTuple):
    """What one evaluation gives."""

    stems: Tensor
    """[batch, frames, outputs · 2 · channels]."""
    hidden: Tensor
    """[batch, frames, dim], after the alignment block."""


class DiT(nn.Module):
    """Predicts target and residual together.

    `outputs` is how many numbers it gives for each number of the stems (`trainer.flow.prediction`).
    """

    def __init__(self, config: DiTConfig, outputs: int) -> None:
        super().__init__()
        self.config = config
        dim, stems = config.dim, 2 * config.channels
        mixture = mixture_width(config.channels, config.transform_power)
        self.inputs = nn.Linear(stems + mixture, dim)
        self.video = VideoGate(config.video_width, dim)
        self.spans = SpanGate(dim)
        self.text = TextMemory(config.text_width, dim)
        self.neighbours = ConvolutionBlock(dim)
        self.time = TimeEmbedding(dim)
        if config.text_modulation:
            self.pooled_text = SwiGLU(config.text_width, dim, dim)
        self.modulation = nn.Linear(dim, 6 * dim)
        self.blocks = nn.ModuleList(DiTBlock(config) for _ in range(config.blocks))
        self.outputs = DiTOutputs(dim, outputs * stems)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, t: Tensor, conditions: Conditions) -> DiTOutput:
        """One evaluation at stems x [batch, frames, 2 · channels] (target, then residual) and times t [batch]."""
        c = conditions
        mixture = mixture_features(c.mixture, self.config.transform_power)
        h = self.inputs(torch.cat([x, mixture], dim=-1))
        h = self.spans(self.video(h, c.video), c.spans)
        h = self.neighbours(h, c.frame_mask)

        time = self.time(t)
        if self.config.text_modulation:
            time = time + self.pooled_text(mean_over_tokens(c.text, c.text_mask))
        modulation = self.modulation(functional.silu(time)).view(len(t), 6, 1, -1)
        memory = self.text(c.text, t)
        rotation = rotations(h.shape[1], self.config.dim // self.config.heads, h.device)

        hidden = h
        for number, block in enumerate(self.blocks, start=1):
            h = block(h, modulation, rotation, c.frame_mask, memory, c.text_mask)
            if number == self.config.alignment_block:
                hidden = h
        return DiTOutput(self.outputs(h, time), hidden)


class DiTBlock(nn.Module):
    """Self-attention over frames, cross-attention to text, feed-forward; each adds to what it was given.

    The modulation comes from one network shared by all blocks; a block's own part is the table that is
    added to it. All of it starts at zero, and with it self-attention and feed-forward (adaLN-Zero, Peebles
    & Xie 2023); cross-attention is not modulated, and starts at zero by its last projection.
    """

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        dim = config.dim
        self.table = nn.Parameter(torch.zeros(6, 1, dim))
        self.attention_norm = RMSNorm(dim)
        self.attention = Attention(dim, config.heads)
        self.text_attention = Attention(dim, config.heads)
        self.feed_forward_norm = RMSNorm(dim)
        self.feed_forward = SwiGLU(dim, config.hidden, dim)
        nn.init.zeros_(self.text_attention.out.weight)

    def forward(
        self,
        h: Tensor,
        modulation: Tensor,
        rotation: tuple[Tensor, Tensor],
        frame_mask: Tensor | None,
        memory: Tensor,
        text_mask: Tensor,
    ) -> Tensor:
        """[batch, frames, dim]; `modulation` is [batch, 6, 1, dim]."""
        shift, scale, gate, shift_ff, scale_ff, gate_ff = (self.table + modulation).unbind(dim=1)
        x = modulate(self.attention_norm(h), shift, scale)
        h = h + gate * self.attention(x, x, frame_mask, rotation)
        h = h + self.text_attention(h, memory, text_mask)
        x = modulate(self.feed_forward_norm(h), shift_ff, scale_ff)
        added: Tensor = gate_ff * self.feed_forward(x)
        return h + added


class DiTOutputs(nn.Module):
    """The last norm, with its own modulation, and the projection to what is predicted; it starts at zero."""

    def __init__(self, dim: int, outputs: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(2, 1, dim))
        self.norm = RMSNorm(dim)
        self.projection = nn.Linear(dim, outputs, bias=False)
        nn.init.zeros_(self.projection.weight)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """[batch, frames, outputs] of h [batch, frames, dim] and the time's embedding [batch, dim]."""
        shift, scale = (self.table + time[:, None, None]).unbind(dim=1)
        projected: Tensor = self.projection(modulate(self.norm(h), shift, scale))
        return projected
