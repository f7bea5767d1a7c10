"""The mixture: its latents, frame by frame beside the noisy stems."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

QUIETEST = 1e-2
"""What is added before the logarithm: latents have a standard deviation of about 1."""


def mixture_features(latents: Tensor, power: float | None) -> Tensor:
    """[batch, frames, width] of latents [batch, frames, channels].

    With the `power` by which a transform's coefficients were compressed, log magnitudes stand beside them.
    Coefficients of an MDCT have signs that look random; how strong each is says what sounds, and without it a
    small network hardly learns.
    """
    if power is None:
        return latents
    return torch.cat([latents, (pseudo_spectrum(latents, power) + QUIETEST).log()], dim=-1)


def pseudo_spectrum(latents: Tensor, power: float) -> Tensor:
    """Compressed magnitudes, in the shape of the latents, of MDCT coefficients X that were compressed by a power.

    sqrt(X[k]² + (X[k+1] − X[k−1])²) (Daudet & Sandler 2004, "MDCT analysis of sinusoids") depends much less on the
    phase of what sounds than |X[k]| does.
    """
    coefficients = latents.sign() * latents.abs() ** (1 / power)
    padded = functional.pad(coefficients, (1, 1))
    slope = padded[..., 2:] - padded[..., :-2]
    return (coefficients.square() + slope.square()) ** (power / 2)


def mixture_width(channels: int, power: float | None) -> int:
    """The width of `mixture_features`."""
    return channels if power is None else 2 * channels
