"""A separator from a speech enhancer: speech for prompts that ask for speech, the rest for all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.models.adapter import Adapter, Runtime, composed_card
from dataengine.models.roles import Enhancer, ModelCard, Prompt, Stems, Waveform
from dataengine.models.waveforms import distinct


class EnhancerRouterAdapter(Adapter):
    """The separator has no options; which enhancer it asks is the profile's `enhancer`."""

    role = "separator"
    parts = ("enhancer",)

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return composed_card(self, name, parts)

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> EnhancerRouter:
        """See Adapter."""
        return EnhancerRouter(card, parts["enhancer"])


class EnhancerRouter:
    """A Separator. It tells speech from everything else, and no two sounds that are both not speech."""

    def __init__(self, card: ModelCard, enhancer: Enhancer) -> None:
        self.card = card
        self._enhancer = enhancer

    def separate(
        self, mixtures: Sequence[Waveform], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        """See Separator; candidates that share a mixture share the enhancer's one answer."""
        different, places = distinct(mixtures)
        split = [
            (speech, mixture - speech)
            for mixture, speech in zip(different, self._enhancer.enhance(different, sample_rate), strict=True)
        ]
        return [
            Stems(*split[place]) if prompt.speech else Stems(*reversed(split[place]))
            for place, prompt in zip(places, prompts, strict=True)
        ]
