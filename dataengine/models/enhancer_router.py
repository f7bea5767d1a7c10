"""A separator from a speech enhancer: speech for prompts that ask for speech, the rest for all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.models.adapter import Adapter, Runtime, composed_card
from dataengine.models.doubt import expected_gain_db
from dataengine.models.roles import Enhanced, Enhancer, ModelCard, Prompt, Stems, Waveform
from dataengine.models.waveforms import distinct


class EnhancerRouterAdapter(Adapter):
    """The separator has no options; which enhancer it asks is the profile's `enhancer`."""

    role = "separator"
    parts = ("enhancer",)

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return composed_card(self, name, list(parts.values()))

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
        enhanced = self._enhancer.enhance(different, sample_rate)
        split = [_split(*each) for each in zip(different, enhanced, strict=True)]
        return [
            split[place][0] if prompt.speech else split[place][1]
            for place, prompt in zip(places, prompts, strict=True)
        ]


def _split(mixture: Waveform, enhanced: Enhanced) -> tuple[Stems, Stems]:
    """The stems of a speech prompt, and of any other."""
    speech, rest = enhanced.speech, mixture - enhanced.speech
    return (
        Stems(speech, rest, _expected_gain(rest, enhanced.doubt)),
        Stems(rest, speech, _expected_gain(speech, enhanced.doubt)),
    )


def _expected_gain(residual: Waveform, doubt: Waveform | None) -> float | None:
    """On scenes of split calibrate it tells targets that gain 5 dB from others with an AUC of 0.81."""
    return None if doubt is None else expected_gain_db(residual, doubt)
