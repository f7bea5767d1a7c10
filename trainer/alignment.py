"""The auxiliary loss: hidden states of the network, aligned with what a frozen tagger hears in the target.

    L_aux = E[1 − cos(φ(h), AED_embed(target))],    L = L_FM + λ · L_aux        (slides)

φ is a network of three layers that is thrown away after training. The slides do not say whether one
embedding stands for the clip or one for each moment: here it is one a latent frame, the tagger's nearest.
The reference sets λ to 1 in pre-training and to 0 in fine-tuning.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dataengine.models.roles import Tagger, Waveform
from trainer.conditions.video import nearest_features
from trainer.layers import mean_over_frames


class AlignmentHead(nn.Module):
    """φ: from hidden states to the tagger's embeddings."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, width)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """[batch, frames, width] of hidden states [batch, frames, dim]."""
        predicted: Tensor = self.layers(hidden)
        return predicted


def alignment_loss(predicted: Tensor, heard: Tensor, frame_mask: Tensor | None = None) -> Tensor:
    """[batch], 1 − cosine of predicted and heard embeddings [batch, frames, width], the mean over frames.

    Frames where `frame_mask` [batch, frames] is false do not count.
    """
    return mean_over_frames(
        1 - functional.cosine_similarity(predicted.float(), heard.float(), dim=-1), frame_mask
    )


def heard_in(targets: Sequence[Waveform], tagger: Tagger, sample_rate: int, centres: Tensor) -> Tensor:
    """[batch, frames, width]: the tagger's embedding nearest to each latent frame of each target.

    `centres` [frames] are the times of the latent frames, in seconds from the start of a target.
    """
    rows = []
    for tags in tagger.tag(targets, sample_rate):
        embeddings = torch.from_numpy(tags.embeddings)
        times = torch.arange(len(embeddings)) * tagger.hop_seconds + tagger.window_seconds / 2
        rows.append(nearest_features(embeddings, times, centres))
    return torch.stack(rows)
