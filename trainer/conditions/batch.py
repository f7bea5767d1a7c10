"""The conditions of a batch."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from trainer.conditions.dropping import Dropped
from trainer.conditions.spans import NULL, PADDING


@dataclass(frozen=True)
class Conditions:
    """c = {mixture, text, video, spans} of the slides, for a batch padded to its longest sample."""

    mixture: Tensor
    """[batch, frames, channels], latents of the mixture."""
    text: Tensor
    """[batch, tokens, text width], states of a frozen text encoder."""
    text_mask: Tensor
    """[batch, tokens], true where there is a token; at least one in a sample. A sample without text has one
    token of zeros."""
    spans: Tensor
    """[batch, frames], a span token each (`trainer.conditions.spans`)."""
    video: Tensor | None = None
    """[batch, frames, video width], the feature of the video frame nearest to each latent frame; zeros for
    samples without video, None if no sample has one."""
    frame_mask: Tensor | None = None
    """[batch, frames], true where a frame belongs to the sample and is no padding; None: all do."""

    def dropped(self, drop: Dropped) -> Conditions:
        """These conditions with some taken away, sample by sample."""
        first_token = torch.zeros_like(self.text_mask)
        first_token[:, 0] = True
        no_spans = torch.where(self.spans == PADDING, self.spans, NULL)
        return replace(
            self,
            mixture=self.mixture.masked_fill(drop.mixture[:, None, None], 0),
            text=self.text.masked_fill(drop.text[:, None, None], 0),
            text_mask=torch.where(drop.text[:, None], first_token, self.text_mask),
            spans=torch.where(drop.spans[:, None], no_spans, self.spans),
            video=None if self.video is None else self.video.masked_fill(drop.video[:, None, None], 0),
        )

    def without_prompt(self) -> Conditions:
        """The mixture alone: what guidance compares with."""
        batch = self.mixture.shape[0]
        everything = torch.ones(batch, dtype=torch.bool, device=self.mixture.device)
        nothing = torch.zeros_like(everything)
        return self.dropped(Dropped(mixture=nothing, text=everything, video=everything, spans=everything))

    def to(self, device: torch.device | str) -> Conditions:
        """The same on another device."""
        moved = {
            field.name: value.to(device, non_blocking=True)
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        return replace(self, **moved)
