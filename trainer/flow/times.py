"""Which times training looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

EDGE = 1e-6


@dataclass(frozen=True)
class TimeSampling:
    """The distribution of t in training; the slides do not say which the reference used.

    Draws are made from uniform numbers by the inverse of the distribution function: a training sample
    brings its own uniform number, and so its own time.
    """

    distribution: Literal["uniform", "logit_normal"] = "uniform"
    """Logit-normal: logit(t) ~ N(mean, deviation), which looks more at the middle (Esser et al. 2024)."""
    mean: float = 0.0
    deviation: float = 1.0

    def times(self, uniform: Tensor) -> Tensor:
        """Times [batch] in 0..1 from numbers [batch] that are uniform in 0..1."""
        if self.distribution == "uniform":
            return uniform
        normal = torch.special.ndtri(uniform.double().clamp(EDGE, 1 - EDGE))
        return torch.sigmoid(self.mean + self.deviation * normal).to(uniform.dtype)
