"""How the learning rate goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Schedule:
    """A factor of the learning rate, by step; the reference warms up over 5 000 steps and stays there."""

    warm_up: int = 5_000
    """Steps over which it rises from 0 to 1."""
    then: Literal["constant", "cosine", "linear"] = "constant"
    """`cosine` and `linear` fall from 1, from the end of the warm-up to the last step."""
    lowest: float = 0.0
    """Where they fall to."""

    def factor(self, step: int, steps: int) -> float:
        """The factor of step 0, 1, … `steps` − 1."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        if self.then == "constant":
            return 1.0
        done = (step - self.warm_up) / max(steps - self.warm_up, 1)
        left = (1 + math.cos(math.pi * done)) / 2 if self.then == "cosine" else 1 - done
        return self.lowest + (1 - self.lowest) * left
