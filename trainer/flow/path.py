"""The path from noise to stems."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class StraightPath:
    """Straight lines from noise x₀ ~ N(0, 1) to data x₁, one a sample (Lipman et al. 2023, section 4.1):

        x_t = t · x₁ + (1 − (1 − σ_min) · t) · x₀

    Every point of a line moves with the velocity x₁ − (1 − σ_min) · x₀. States are [batch, …], times [batch]
    in 0..1.
    """

    sigma_min: float = 1e-4
    """Standard deviation of the noise that is left at t = 1. The slides do not give its value."""

    def point(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        """x_t."""
        return _wide(t, x1) * x1 + self._noise(t, x0) * x0

    def velocity(self, x0: Tensor, x1: Tensor) -> Tensor:
        """The velocity of the line from x₀ to x₁."""
        return x1 - (1 - self.sigma_min) * x0

    def end_of(self, velocity: Tensor, xt: Tensor, t: Tensor) -> Tensor:
        """The x₁ of the line that passes x_t with this velocity."""
        return self._noise(t, xt) * velocity + (1 - self.sigma_min) * xt

    def velocity_to(self, x1: Tensor, xt: Tensor, t: Tensor) -> Tensor:
        """The velocity of the line through x_t that ends at x₁; it grows as 1/σ_min when t nears 1."""
        return (x1 - (1 - self.sigma_min) * xt) / self._noise(t, xt)

    def expected_end(self, xt: Tensor, t: Tensor) -> Tensor:
        """What x_t alone says of x₁, if x₁ ~ N(0, 1): its mean given x_t, which is 0 at t = 0 and x_t at t = 1."""
        signal, noise = _wide(t, xt), self._noise(t, xt)
        return signal * xt / (signal.square() + noise.square())

    def _noise(self, t: Tensor, like: Tensor) -> Tensor:
        """The share of x₀ at t."""
        return 1 - (1 - self.sigma_min) * _wide(t, like)


def _wide(t: Tensor, like: Tensor) -> Tensor:
    """t [batch] with as many dimensions as `like` [batch, …]."""
    return t.reshape(-1, *[1] * (like.ndim - 1))
