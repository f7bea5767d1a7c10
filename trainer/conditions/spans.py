"""Span prompts: when the target sounds, as one token a latent frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

NULL = 0
"""Nothing is said."""
INSIDE = 1
"""The target sounds here ("+")."""
OUTSIDE = 2
"""It does not ("−")."""
PADDING = 3
"""The sample has ended."""

EMBEDDING_WIDTH = 128


def span_tokens(spans: Sequence[tuple[float, float]], centres: Tensor) -> Tensor:
    """[frames] tokens of spans (start, end) in seconds; `centres` [frames] are the frames' times in seconds.

    A frame is inside if its centre is; the frame nearest to the middle of a span always is, so that no span
    is too short to be seen. No spans: nothing is said, every frame is `NULL`.
    """
    if not spans:
        return torch.full(centres.shape, NULL)
    tokens = torch.full(centres.shape, OUTSIDE)
    for start, end in spans:
        tokens[(centres >= start) & (centres < end)] = INSIDE
        tokens[(centres - (start + end) / 2).abs().argmin()] = INSIDE
    return tokens


class SpanGate(nn.Module):
    """Adds span tokens to the hidden states, through a gate that is shut at first."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, EMBEDDING_WIDTH, padding_idx=PADDING)
        self.projection = nn.Linear(EMBEDDING_WIDTH, dim, bias=False)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """[batch, frames, dim] with tokens [batch, frames]."""
        added: Tensor = self.projection(self.embedding(tokens))
        return hidden + self.gate.tanh() * added
