"""What the network's output means: an estimate of the velocity, or of the stems themselves.

Whichever it is, the path turns one into the other: from x_t and the velocity follows x₁, and back.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from trainer.flow.path import StraightPath


class Estimate(NamedTuple):
    """What is known after one evaluation; both [batch, frames, 2 · channels], target then residual."""

    velocity: Tensor
    x1: Tensor


class Prediction(Protocol):
    """Reads the network's output."""

    outputs: ClassVar[int]
    """Numbers that the network gives for each number of the stems."""

    def read(self, output: Tensor, xt: Tensor, t: Tensor, mixture: Tensor, path: StraightPath) -> Estimate:
        """The estimate in an output [batch, frames, outputs · 2 · channels] at x_t [batch, frames, 2 · channels].

        `t` is [batch], `mixture` [batch, frames, channels].
        """
        ...


class VelocityPrediction:
    """The output is the velocity u(x_t, t, c), as in the slides."""

    outputs: ClassVar[int] = 1

    def read(self, output: Tensor, xt: Tensor, t: Tensor, mixture: Tensor, path: StraightPath) -> Estimate:
        """See Prediction."""
        return Estimate(velocity=output, x1=path.end_of(output, xt, t))


class GatedPrediction:
    """The output is a gate on the mixture, and what to add: x₁ = sigmoid(gate) ∘ (mixture, mixture) + rest.

    Most of a stem is there in the mixture. A network that only has to say how much of each number to let
    through learns in minutes what takes it hours when it has to redraw the mixture first.
    """

    outputs: ClassVar[int] = 2

    def read(self, output: Tensor, xt: Tensor, t: Tensor, mixture: Tensor, path: StraightPath) -> Estimate:
        """See Prediction."""
        gate, rest = output.chunk(2, dim=-1)
        x1 = gate.sigmoid() * torch.cat([mixture, mixture], dim=-1) + rest
        return Estimate(velocity=path.velocity_to(x1, xt, t), x1=x1)


PREDICTIONS: dict[str, Prediction] = {"velocity": VelocityPrediction(), "gated_x1": GatedPrediction()}
"""By the name they have in a configuration."""
