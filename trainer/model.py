"""The model: a DiT, and what its output means on the path from noise to stems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor, nn

from trainer.conditions.batch import Conditions
from trainer.dit import DiT, DiTConfig
from trainer.flow.path import StraightPath
from trainer.flow.prediction import PREDICTIONS, Estimate


@dataclass(frozen=True)
class ModelConfig:
    """A network, and what it predicts."""

    dit: DiTConfig
    prediction: Literal["velocity", "gated_x1"] = "velocity"
    path: StraightPath = field(default_factory=StraightPath)
    sees: Literal["noisy", "expected"] = "noisy"
    """What the network is given of the point that it is asked about: x_t, as in the reference, or what x_t says
    of x₁ (`StraightPath.expected_end`). The latter spares a small network from learning to ignore the noise that
    x_t is at first, and nothing else."""


class ModelOutput(NamedTuple):
    """What the model says of a point on the way."""

    estimate: Estimate
    hidden: Tensor
    """[batch, frames, dim], what the auxiliary loss reads."""


class SeparationModel(nn.Module):
    """Estimates, from noisy stems, where the flow goes."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.path = config.path
        self.prediction = PREDICTIONS[config.prediction]
        self.dit = DiT(config.dit, self.prediction.outputs)

    def forward(self, xt: Tensor, t: Tensor, conditions: Conditions) -> ModelOutput:
        """At noisy stems x_t [batch, frames, 2 · channels] (target, then residual) and times t [batch] in 0..1."""
        seen = self.path.expected_end(xt, t) if self.config.sees == "expected" else xt
        output, hidden = self.dit(seen, t, conditions)
        return ModelOutput(self.prediction.read(output, xt, t, conditions.mixture, self.path), hidden)
