"""Spleeter's voice against everything else, for `separation.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from dataengine.evaluation.contestants import VOICE_FROM_INSTRUMENTS, Specialist
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Enhanced, ModelCard, Prompt, Separator, Waveform
from manifests.identity import stable_hash

PROFILE = Profile(name="spleeter", sample_rate=44_100, models={"separator": {"adapter": "spleeter"}})


def contestant() -> Specialist:
    """It as a specialist. Raises UserError if the package is missing."""
    models = ProfileModels(PROFILE)
    digest = stable_hash("voice", json.dumps(models.provenance(("separator",)), sort_keys=True))
    return Specialist("Spleeter", digest, _Voice(models.load("separator")), VOICE_FROM_INSTRUMENTS)


@dataclass(frozen=True)
class _Voice:
    """An Enhancer whose speech is whatever sings or speaks."""

    separator: Separator

    @property
    def card(self) -> ModelCard:
        return self.separator.card

    def enhance(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Enhanced]:
        """See Enhancer."""
        prompts = [Prompt(speech=True)] * len(waveforms)
        return [Enhanced(each.target) for each in self.separator.separate(waveforms, prompts, sample_rate)]
