"""An exponential average of the weights: smoother than the weights, and what is used in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """The average of a model's parameters over its steps.

    Each step moves it by 1 − decay towards the parameters; in the first steps by more, 9 / (10 + step), so
    that it does not remember where they started.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._names = [name for name, _ in model.named_parameters()]
        self._tensors = [each.detach().clone() for each in model.parameters()]

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the parameters after step 0, 1, …"""
        weight = max(1 - self._decay, 9 / (10 + step))
        torch._foreach_lerp_(self._tensors, list(model.parameters()), weight)

    @contextmanager
    @torch.no_grad()
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """Let the model have the average while the block runs."""
        own = [each.detach().clone() for each in model.parameters()]
        self._copy(self._tensors, model)
        try:
            yield
        finally:
            self._copy(own, model)

    def tensors(self) -> dict[str, Tensor]:
        """The average, by the names of the parameters."""
        return dict(zip(self._names, self._tensors, strict=True))

    def take(self, model: nn.Module) -> None:
        """Become what the model's parameters are now."""
        for mine, given in zip(self._tensors, model.parameters(), strict=True):
            mine.copy_(given.detach())

    @staticmethod
    def _copy(tensors: list[Tensor], model: nn.Module) -> None:
        for parameter, tensor in zip(model.parameters(), tensors, strict=True):
            parameter.copy_(tensor)
