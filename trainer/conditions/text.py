"""Text prompts: the states of a frozen encoder, and the memory that cross-attention reads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from dataengine.errors import UserError
from dataengine.models.profile import ProfileModels
from dataengine.models.roles import TokenEncoder
from trainer.borrowed_models import load_beside_network
from trainer.layers import SwiGLU, sinusoids

REMEMBERED = 4_096
"""Texts whose states are kept; training sees the same ones again and again."""


class TextStates:
    """A frozen text encoder, and what it said of the texts it has seen."""

    def __init__(self, encoder: TokenEncoder) -> None:
        self._encoder = encoder
        self._remembered: OrderedDict[str, Tensor] = OrderedDict()

    @classmethod
    def of(cls, models: ProfileModels) -> TextStates:
        """With a profile's text encoder."""
        return cls(load_beside_network(models, "text_encoder"))

    def of_width(self, width: int) -> TextStates:
        """These states, if they are what a network reads. Raises UserError if the encoder's are of another width."""
        if self._encoder.width != width:
            raise UserError(
                f"the network reads text states of {width} numbers, and the text encoder "
                f"{self._encoder.card.adapter!r} gives {self._encoder.width}; name another one in the profile, or "
                "another profile"
            )
        return self

    def batch(self, texts: Sequence[str | None]) -> tuple[Tensor, Tensor]:
        """States [batch, tokens, width], zeros after the end of a text, and their mask [batch, tokens].

        None stands for no text: one token of zeros.
        """
        states = [self._state(text) for text in texts]
        mask = pad_sequence([torch.ones(len(each), dtype=torch.bool) for each in states], batch_first=True)
        return pad_sequence(states, batch_first=True), mask

    def _state(self, text: str | None) -> Tensor:
        if text is None:
            return torch.zeros(1, self._encoder.width)
        if text not in self._remembered:
            (state,) = self._encoder.encode_tokens([text])
            self._remembered[text] = torch.from_numpy(state)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        self._remembered.move_to_end(text)
        return self._remembered[text]


class TextMemory(nn.Module):
    """What cross-attention reads: the text's states, and how far the flow is."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.projection = nn.Linear(width, dim)
        self.context = SwiGLU(dim, dim, dim)

    def forward(self, states: Tensor, t: Tensor) -> Tensor:
        """[batch, tokens, dim] of states [batch, tokens, width] at flow times t [batch]."""
        placed = self.projection(states) + sinusoids(t, self.dim)[:, None]
        memory: Tensor = self.context(placed)
        return memory
