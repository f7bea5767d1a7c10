"""A codec with weights of its own: the one that fills the role `codec` of a profile."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import ModelCard
from trainer.codec.role import Codec, FrameLayout


@dataclass(frozen=True)
class PretrainedCodecConfig:
    """Its frames, which lie end to end; the defaults are DAC-VAE's. A FrameLayout."""

    kind: Literal["pretrained"] = "pretrained"
    sample_rate: int = 48_000
    """Hz."""
    hop: int = 1_920
    """Samples in a frame: 25 frames/s at 48 kHz."""
    channels: int = 128
    digest: str | None = None
    """Of the weights that were trained with; None: whichever the profile has."""

    def frames(self, samples: int) -> int:
        """See FrameLayout; the last frame may be longer than what there is."""
        return max(-(-samples // self.hop), 1)

    def centres(self, frames: int) -> Tensor:
        """See FrameLayout; frame `i` covers samples `i · hop` to `(i + 1) · hop`."""
        return (torch.arange(frames) + 0.5) * (self.hop / self.sample_rate)

    def cards(self, profile: str) -> tuple[ModelCard, ...]:
        """See CodecConfig. Raises UserError if the profile has no codec, or one of other weights than pinned."""
        found = _models(profile).provenance(("codec",))["codec"]
        card = ModelCard(**{each.name: found[each.name] for each in fields(ModelCard)})
        if self.digest not in (None, card.digest):
            raise UserError(
                f"the codec of profile {profile!r} has other weights (digest {card.digest}) than those that were "
                f"trained with ({self.digest}); name these in the profile"
            )
        return (card,)

    def pinned(self, profile: str) -> PretrainedCodecConfig:
        """See CodecConfig."""
        (card,) = self.cards(profile)
        return replace(self, digest=card.digest)

    def build(self, profile: str) -> Codec:
        """See CodecConfig. Raises UserError, too, if the profile's codec has other frames."""
        self.cards(profile)
        codec: Codec = _models(profile).load("codec")
        if codec.layout != replace(self, digest=None):
            raise UserError(
                f"{_told(self)} are asked for, and the codec of profile {profile!r} has {_told(codec.layout)}"
            )
        return codec


def _models(profile: str) -> ProfileModels:
    return ProfileModels(Profile.load(profile))


def _told(layout: FrameLayout) -> str:
    return f"{layout.channels} channels a frame of {layout.hop} samples at {layout.sample_rate} Hz"
