"""A flow that is known in closed form: from N(0, 1) to N(mean, deviation²), number by number."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from trainer.flow.path import StraightPath


@dataclass(frozen=True)
class GaussianFlow:
    mean: float = 1.5
    deviation: float = 0.3
    path: StraightPath = field(default_factory=StraightPath)

    def variance(self, t: float) -> float:
        """Of x_t."""
        return (t * self.deviation) ** 2 + (1 - (1 - self.path.sigma_min) * t) ** 2

    def coefficients(self, t: float) -> tuple[float, float]:
        """Offset and slope of the marginal velocity E[x₁ − (1 − σ)x₀ | x_t = x], which is linear in x."""
        kept = 1 - self.path.sigma_min
        covariance = t * self.deviation**2 - kept * (1 - kept * t)
        slope = covariance / self.variance(t)
        return self.mean - slope * t * self.mean, slope

    def velocity(self, x: Tensor, t: float) -> Tensor:
        offset, slope = self.coefficients(t)
        return offset + slope * x

    def end(self, x0: Tensor) -> Tensor:
        """Where x₀ is at t = 1."""
        return self.mean + math.sqrt(self.variance(1.0)) * x0
