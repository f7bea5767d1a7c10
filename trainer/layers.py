"""The layers that the DiT is made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPSILON = 1e-5
ROTARY_BASE = 20_000.0
"""θ of the rotary embedding, from the released configuration."""
LONGEST_PERIOD = 10_000.0


class SwiGLU(nn.Module):
    """W_down (silu(W_gate x) ∘ W_up x), without biases (Shazeer 2020)."""

    def __init__(self, dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, hidden, bias=False)
        self.up = nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[…, dim] → […, out]."""
        projected: Tensor = self.down(functional.silu(self.gate(x)) * self.up(x))
        return projected


class RMSNorm(nn.RMSNorm):
    """x / RMS(x) ∘ weight over the last dimension, in the precision that x comes in."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape […, dim]."""
        return functional.rms_norm(x, x.shape[-1:], self.weight.type_as(x), self.eps)


class Attention(nn.Module):
    """Multi-head attention without biases; queries and keys are RMS-normalised, head by head."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.query_norm = RMSNorm(dim // heads)
        self.key_norm = RMSNorm(dim // heads)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """What each of x [batch, frames, dim] finds in memory [batch, tokens, dim]; in self-attention they are one.

        `mask` [batch, tokens] is true where there is something to find; `rotation` (see `rotations`) turns
        queries and keys by their position.
        """
        query = self.query_norm(self._by_head(self.query(x)))
        key = self.key_norm(self._by_head(self.key(memory)))
        value = self._by_head(self.value(memory))
        if rotation is not None:
            query, key = rotate(query, *rotation), rotate(key, *rotation)
        visible = None if mask is None else mask[:, None, None, :]
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        projected: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return projected

    def _by_head(self, x: Tensor) -> Tensor:
        """[batch, heads, length, head width]."""
        batch, length, dim = x.shape
        return x.view(batch, length, self.heads, dim // self.heads).transpose(1, 2)


def rotations(length: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine [length, width / 2] of the angle by which each position turns each pair of numbers.

    Position p turns pair i by p · θ^(−2i/width) (rotary position embedding, Su et al. 2021).
    """
    pairs = torch.arange(0, width, 2, device=device, dtype=torch.float32)
    angles = torch.outer(torch.arange(length, device=device).float(), ROTARY_BASE ** (-pairs / width))
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """x [batch, heads, length, width], number i of each vector paired with number i + width/2."""
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
    return turned.type_as(x)


def sinusoids(t: Tensor, width: int) -> Tensor:
    """[batch, width] of times t [batch]: cosines, then sines, with periods from 2π to 2π · 10 000."""
    half = width // 2
    frequencies = LONGEST_PERIOD ** (-torch.arange(half, device=t.device).float() / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class ConvolutionBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), with kernels of three frames: each frame meets its neighbours."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(SampleNorm(dim) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, dim, kernel_size=3, padding=1) for _ in range(2))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[batch, frames, dim]; padding, where `mask` [batch, frames] is false, is silence to its neighbours."""
        hidden = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            active = functional.silu(norm(hidden, mask))
            if mask is not None:
                active = active * mask[..., None]
            hidden = convolution(active.mT).mT
        return x + hidden


class SampleNorm(nn.Module):
    """Zero mean and unit variance over all frames and channels of a sample: GroupNorm with one group.

    Unlike nn.GroupNorm it leaves padding out, so a sample is normalised alike in any batch.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[batch, frames, dim], with the mask [batch, frames] of what is no padding."""
        weights = x.new_ones(x.shape[:2], dtype=torch.float32) if mask is None else mask.float()
        weights = weights[..., None] / (weights.sum(dim=1)[:, None, None] * x.shape[-1])
        mean = (x * weights).sum(dim=(1, 2), keepdim=True)
        centred = x - mean
        variance = (centred.square() * weights).sum(dim=(1, 2), keepdim=True)
        return (centred * (variance + NORM_EPSILON).rsqrt() * self.weight + self.bias).type_as(x)


class TimeEmbedding(nn.Module):
    """How far the flow is, as a vector: a 256-d sinusoid through one SwiGLU."""

    WIDTH = 256

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.projection = SwiGLU(self.WIDTH, dim, dim)

    def forward(self, t: Tensor) -> Tensor:
        """[batch, dim] of times t [batch] in 0..1."""
        embedded: Tensor = self.projection(sinusoids(t, self.WIDTH))
        return embedded


def mean_over_frames(values: Tensor, frame_mask: Tensor | None) -> Tensor:
    """[batch], the mean of values [batch, frames] over the frames where the mask, of their shape, is true."""
    if frame_mask is None:
        return values.mean(dim=1)
    return (values * frame_mask).sum(dim=1) / frame_mask.sum(dim=1)


def mean_over_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """[batch, width], the mean of states [batch, tokens, width] where the mask [batch, tokens] is true."""
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x [batch, frames, dim], shifted and scaled channel by channel: shift and scale are [batch, 1, dim]."""
    return x * (1 + scale) + shift
