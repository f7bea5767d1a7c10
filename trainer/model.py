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
        output, hidden = self.dit(xt, t, conditions)
        return ModelOutput(self.prediction.read(output, xt, t, conditions.mixture, self.path), hidden)
