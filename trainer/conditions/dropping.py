"""Dropping conditions in training, each on its own, so that a prompt may be missing when the model is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Dropped:
    """Which conditions each sample of a batch goes without; [batch], true where it is dropped."""

    mixture: Tensor
    text: Tensor
    video: Tensor
    spans: Tensor

    @classmethod
    def stack(cls, draws: Sequence[tuple[bool, bool, bool, bool]]) -> Dropped:
        """The draws of the samples of a batch, in order."""
        return cls(*torch.tensor(draws, dtype=torch.bool).reshape(-1, 4).unbind(dim=1))

    def to(self, device: torch.device | str) -> Dropped:
        """The same on another device."""
        return Dropped(
            self.mixture.to(device), self.text.to(device), self.video.to(device), self.spans.to(device)
        )


@dataclass(frozen=True)
class DropProbabilities:
    """Probability, 0..1, that a sample goes without a condition.

    The reference drops text, video and spans with 0.3 each in pre-training and none in fine-tuning.
    """

    mixture: float = 0.0
    text: float = 0.3
    video: float = 0.3
    spans: float = 0.3

    def draw(self, random: np.random.Generator) -> tuple[bool, bool, bool, bool]:
        """One sample's draw: mixture, text, video, spans, independent of each other."""
        mixture, text, video, spans = random.random(4) < (self.mixture, self.text, self.video, self.spans)
        return bool(mixture), bool(text), bool(video), bool(spans)
