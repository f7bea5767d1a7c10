"""The flow-matching loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from trainer.flow.path import StraightPath
from trainer.flow.prediction import Estimate
from trainer.layers import mean_over_frames

GOOD_ENOUGH = 1e-3
SILENCE = 1e-6
"""Of power, where a latent's is 1: keeps the logarithm finite."""


@dataclass(frozen=True)
class FlowMatchingLoss:
    """How far an estimate is from the line that its sample came along."""

    on: Literal["velocity", "x1"] = "velocity"
    """`velocity`: ‖u(x_t, t, c) − (x₁ − (1 − σ_min) · x₀)‖², the slides' objective (squared, as in Lipman et
    al. 2023). `x1`: ‖x̂₁ − x₁‖², the same weighted by (1 − (1 − σ_min) · t)², which does not let the last
    moments before t = 1 drown the rest; better where x₁ is what is predicted."""
    weighting: Literal["even", "decibels"] = "even"
    """`even`: every sample counts by its squared error, as in the references, and so loud mixtures of equally loud
    sounds count most. `decibels`: the loss of a sample is log(‖error‖² + τ · ‖x₁‖²), of which the gradient is that
    of the squared error divided by what is logged: a decibel gained is worth the same in every sample. τ = 10⁻³, where
    30 dB are good enough (the thresholded SNR loss of universal separation, Wisdom et al. 2020)."""

    def __call__(
        self, estimate: Estimate, x0: Tensor, x1: Tensor, path: StraightPath, frame_mask: Tensor | None = None
    ) -> Tensor:
        """[batch], over the numbers of each sample; x₀ and x₁ are [batch, frames, 2 · channels].

        Frames where `frame_mask` [batch, frames] is false do not count.
        """
        on_velocity = self.on == "velocity"
        error = estimate.velocity - path.velocity(x0, x1) if on_velocity else estimate.x1 - x1
        squared = mean_over_frames(error.float().square().mean(dim=-1), frame_mask)
        if self.weighting == "even":
            return squared
        power = mean_over_frames(x1.float().square().mean(dim=-1), frame_mask)
        return (squared + GOOD_ENOUGH * power + SILENCE).log()
