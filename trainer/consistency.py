"""Stems that add up to their mixture, exactly."""

from __future__ import annotations

from torch import Tensor

from trainer.codec.role import LinearCodec

QUIETEST = 1e-20
"""Keeps the share of two silent coefficients at a half instead of 0/0."""


def consistent(
    codec: LinearCodec, target: Tensor, residual: Tensor, mixture: Tensor
) -> tuple[Tensor, Tensor]:
    """The nearest thing to (target, residual) whose sum is the mixture; latents [batch, frames, channels].

    What is missing in a coefficient, m − t − r, goes to the stem that is stronger there: target and
    residual take it in the ratio of their energies (Wisdom et al. 2019, "Differentiable consistency
    constraints for improved deep speech enhancement", eq. 7). A stem that is silent stays silent.
    """
    target, residual, mixture = map(codec.coefficients, (target, residual, mixture))
    energy, other_energy = target.square() + QUIETEST, residual.square() + QUIETEST
    target = target + energy / (energy + other_energy) * (mixture - target - residual)
    return codec.latents(target), codec.latents(mixture - target)
