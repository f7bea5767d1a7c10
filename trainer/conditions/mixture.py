"""The mixture: its latents, frame by frame beside the noisy stems."""

from __future__ import annotations

import torch
from torch import Tensor

QUIETEST = 1e-2
"""What is added before the logarithm: latents have a standard deviation of about 1."""


def mixture_features(latents: Tensor, *, log_magnitude: bool) -> Tensor:
    """[batch, frames, width] of latents [batch, frames, channels].

    With `log_magnitude`, log(|z| + 0.01) stands beside the latents z. Latents of a transform have signs that
    look random; how strong each is says what sounds. Without this a small network hardly learns.
    """
    if not log_magnitude:
        return latents
    return torch.cat([latents, (latents.abs() + QUIETEST).log()], dim=-1)


def mixture_width(channels: int, *, log_magnitude: bool) -> int:
    """The width of `mixture_features`."""
    return channels * 2 if log_magnitude else channels
