"""From noise to stems: the sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from trainer.conditions.batch import Conditions
from trainer.flow.guidance import guided
from trainer.flow.solvers import SOLVERS, Velocity, solve
from trainer.model import SeparationModel


@dataclass(frozen=True)
class SamplingConfig:
    """How the flow is followed. The defaults are the reference's at inference."""

    solver: Literal["euler", "midpoint", "heun"] = "midpoint"
    steps: int = 16
    guidance: float = 1.0
    """1 is no guidance, and half the work."""


@torch.inference_mode()
def sample(model: SeparationModel, conditions: Conditions, noise: Tensor, config: SamplingConfig) -> Tensor:
    """Latents of target and residual [batch, frames, 2 · channels] from noise of that shape."""
    velocity = _velocity_of(model, conditions)
    if config.guidance != 1:
        velocity = guided(velocity, _velocity_of(model, conditions.without_prompt()), config.guidance)
    return solve(velocity, noise, config.steps, SOLVERS[config.solver])


def _velocity_of(model: SeparationModel, conditions: Conditions) -> Velocity:
    def velocity(x: Tensor, t: float) -> Tensor:
        times = torch.full((len(x),), t, device=x.device)
        output: Tensor = model(x, times, conditions).estimate.velocity
        return output

    return velocity
