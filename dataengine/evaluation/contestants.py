"""Separators as an evaluation asks them: by a prompt, and only for what they claim to know."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dataengine.errors import UserError
from dataengine.evaluation.asking import Asked
from dataengine.evaluation.questions import Question
from dataengine.evaluation.true_scenes import TrueSource
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Enhanced, Enhancer, ModelCard, Prompt, Separator, Stems, Waveform
from manifests.catalogue.drawing import has_voice
from manifests.identity import stable_hash

REVISION = "1"
"""Raised when the same weights and settings are asked otherwise than before."""


class Contestant(Protocol):
    """Whoever answers questions."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def digest(self) -> str:
        """Hash of what its answers follow from: weights and settings."""
        ...

    def answers(self, question: Question) -> bool:
        """Whether the question is on its ground."""
        ...

    def separate(self, asked: Sequence[Asked]) -> list[Stems]:
        """An answer to each."""
        ...


@dataclass(frozen=True)
class Promptable:
    """A model of the role `separator`: it can be asked for anything."""

    name: str
    digest: str
    separator: Separator

    @classmethod
    def of_profile(cls, name: str, profile: Profile) -> Promptable:
        """The separator that a profile uses. Raises UserError if it has none, or if weights are missing."""
        models = ProfileModels(profile)
        digest = stable_hash(
            "promptable", REVISION, json.dumps(models.provenance(("separator",)), sort_keys=True)
        )
        return cls(name, digest, models.load("separator"))

    def answers(self, question: Question) -> bool:
        """See Contestant."""
        return True

    def separate(self, asked: Sequence[Asked]) -> list[Stems]:
        """See Contestant."""
        mixtures = [each.mixture for each in asked]
        prompts = [
            Prompt(each.question.text, each.question.named.category == "speech", each.question.spans)
            for each in asked
        ]
        return self.separator.separate(mixtures, prompts, asked[0].sample_rate)


@dataclass(frozen=True)
class Ground:
    """What a specialist tells apart."""

    takes: Callable[[TrueSource], bool]
    leaves: Callable[[TrueSource], bool]


def is_speech(source: TrueSource) -> bool:
    """Whether somebody speaks."""
    return source.category == "speech"


def is_no_speech(source: TrueSource) -> bool:
    """Whether it is anything else."""
    return not is_speech(source)


def is_speech_or_song(source: TrueSource) -> bool:
    """Whether somebody speaks or sings."""
    return is_speech(source) or (source.category == "music" and has_voice(source))


def is_instrumental(source: TrueSource) -> bool:
    """Whether it is music without a voice."""
    return source.category in ("music", "instrument") and not has_voice(source)


SPEECH_FROM_THE_REST = Ground(is_speech, is_no_speech)
VOICE_FROM_INSTRUMENTS = Ground(is_speech_or_song, is_instrumental)


@dataclass(frozen=True)
class Specialist:
    """An enhancer, asked where its two stems are the target and the rest, whichever way round."""

    name: str
    digest: str
    enhancer: Enhancer
    ground: Ground

    def answers(self, question: Question) -> bool:
        """Whether it takes what is asked for and leaves the rest, or the other way round."""
        rest = question.rest
        if not question.scene.known:
            return self.ground.takes(question.named)
        if self.ground.takes(question.named):
            return all(map(self.ground.leaves, rest))
        return (
            question.target is not None
            and self.ground.leaves(question.named)
            and all(map(self.ground.takes, rest))
        )

    def separate(self, asked: Sequence[Asked]) -> list[Stems]:
        """See Contestant."""
        enhanced = self.enhancer.enhance([each.mixture for each in asked], asked[0].sample_rate)
        stems = []
        for each, found in zip(asked, enhanced, strict=True):
            taken, left = found.speech, each.mixture - found.speech
            stems.append(Stems(taken, left) if self.ground.takes(each.question.named) else Stems(left, taken))
        return stems


def bundled_specialists(tell: Callable[[str], None]) -> list[Specialist]:
    """Those whose weights packages carry and whose packages are there; `tell` is given a line for each other one."""
    makes: dict[str, Callable[[], Specialist]] = {
        "DTLN": lambda: enhancer_of("DTLN", "dtln"),
        "NSNet2": lambda: enhancer_of("NSNet2", "nsnet2"),
        "Spleeter": lambda: voices_of("Spleeter", "spleeter"),
    }
    found = []
    for name, make in makes.items():
        try:
            found.append(make())
        except UserError as error:
            tell(f"{name} is left out: {error}")
    return found


def enhancer_of(name: str, adapter: str) -> Specialist:
    """An enhancer, as a specialist for speech. Raises UserError if its weights are missing."""
    models = _models("enhancer", adapter)
    digest = stable_hash("enhancer", REVISION, json.dumps(models.provenance(("enhancer",)), sort_keys=True))
    return Specialist(name, digest, models.load("enhancer"), SPEECH_FROM_THE_REST)


def voices_of(name: str, adapter: str) -> Specialist:
    """A separator of voices, as a specialist for them. Raises UserError if its weights are missing."""
    models = _models("separator", adapter)
    digest = stable_hash("voices", REVISION, json.dumps(models.provenance(("separator",)), sort_keys=True))
    return Specialist(name, digest, _Voices(models.load("separator")), VOICE_FROM_INSTRUMENTS)


@dataclass(frozen=True)
class _Voices:
    """An Enhancer whose speech is whatever sings or speaks."""

    separator: Separator

    @property
    def card(self) -> ModelCard:
        return self.separator.card

    def enhance(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Enhanced]:
        """See Enhancer."""
        prompts = [Prompt(speech=True)] * len(waveforms)
        return [Enhanced(each.target) for each in self.separator.separate(waveforms, prompts, sample_rate)]


def _models(role: str, adapter: str) -> ProfileModels:
    """One model, by itself; at which rate it hears, each call says."""
    return ProfileModels(Profile(name=adapter, sample_rate=16_000, models={role: {"adapter": adapter}}))
