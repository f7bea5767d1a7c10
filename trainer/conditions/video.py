"""Visual prompts: one feature vector of the masked video a latent frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def nearest_features(features: Tensor, times: Tensor, centres: Tensor) -> Tensor:
    """[frames, width]: for each latent frame the feature that is nearest in time.

    `features` [n, width] belong to `times` [n], `centres` [frames] are the latent frames', both in seconds.
    """
    return features[(times[None, :] - centres[:, None]).abs().argmin(dim=1)]


class VideoGate(nn.Module):
    """Adds video features to the hidden states, through a gate that is shut at first."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, dim)  # a convolution with kernel 1
        self.norm = nn.LayerNorm(dim)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, hidden: Tensor, features: Tensor | None) -> Tensor:
        """[batch, frames, dim] with features [batch, frames, width]; None: zeros, no sample has video."""
        if features is None:
            features = hidden.new_zeros(1, 1, self.projection.in_features)
        added: Tensor = self.norm(self.projection(features))
        return hidden + self.gate.tanh() * added
