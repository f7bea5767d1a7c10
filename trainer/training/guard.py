"""Steps that would spoil the weights: not a number, or a loss out of all proportion."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

from dataengine.errors import UserError


@dataclass(frozen=True)
class GuardConfig:
    """When a step is skipped, and when training stops."""

    spike: float = 5.0
    """A gradient norm of so many times the median of the last `window` steps is a spike."""
    window: int = 64
    most_skipped: int = 20
    """Of `window` steps, so many may be skipped; more stop the training."""


class Guard:
    """Remembers the last steps and says whether a step may change the weights."""

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self._norms: deque[float] = deque(maxlen=config.window)
        self._skipped: deque[bool] = deque(maxlen=config.window)

    def admits(self, loss: float, gradient_norm: float) -> str | None:
        """Why the step must be skipped; None if it may be taken.

        Raises UserError if too many of the last steps were skipped.
        """
        reason = self._fault(loss, gradient_norm)
        self._skipped.append(reason is not None)
        if reason is None:
            self._norms.append(gradient_norm)
        if sum(self._skipped) > self._config.most_skipped:
            raise UserError(
                f"{sum(self._skipped)} of the last {len(self._skipped)} steps had to be skipped ({reason}); "
                "lower the learning rate or look at the data, and go on from the last checkpoint"
            )
        return reason

    def _fault(self, loss: float, gradient_norm: float) -> str | None:
        if not math.isfinite(loss) or not math.isfinite(gradient_norm):
            return f"the loss is {loss} and the gradient's norm {gradient_norm}"
        enough = len(self._norms) >= self._config.window // 2
        if enough and gradient_norm > self._config.spike * median(self._norms):
            return f"the gradient's norm is {gradient_norm:.3g}, its median {median(self._norms):.3g}"
        return None

    def state(self) -> dict[str, list[float]]:
        """What a checkpoint keeps."""
        return {"norms": list(self._norms), "skipped": [float(each) for each in self._skipped]}

    def load(self, state: dict[str, list[float]]) -> None:
        """Go on from a checkpoint."""
        self._norms.extend(state["norms"])
        self._skipped.extend(bool(each) for each in state["skipped"])
