"""Span prompts: when the target sounds, as one token a latent frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

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

Spans: TypeAlias = Sequence[tuple[float, float]]
"""Start and end of each, in seconds."""


def span_tokens(present: Spans, absent: Spans, centres: Tensor) -> Tensor:
    """[frames] tokens of spans in which the target sounds, and of spans in which it does not.

    `centres` [frames] are the frames' times in seconds. A frame is in a span if its centre is; the frame
    nearest to the middle of a span always is, so that no span is too short to be seen. Of a frame in no
    span nothing is said; where both kinds meet, the target sounds.
    """
    tokens = torch.full(centres.shape, NULL)
    for spans, token in ((absent, OUTSIDE), (present, INSIDE)):
        for start, end in spans:
            tokens[(centres >= start) & (centres < end)] = token
            tokens[(centres - (start + end) / 2).abs().argmin()] = token
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
