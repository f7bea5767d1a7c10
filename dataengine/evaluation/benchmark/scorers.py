"""What needs no truth: models that say how well a target fits its prompt and what is seen, and how it sounds.

Which of them are asked is the profile's to say: a role that it does not fill leaves its measure empty. A judge of
separation would be one more role here, with its scores as fields of `Worth`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property

from dataengine.evaluation.asking import MEASURES_VERSION, Asked, ByTruth, Worth
from dataengine.evaluation.masked_video import FRAMES_A_SECOND
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import AestheticsScorer, AudioVisualScorer, Stems, TextAudioScorer
from manifests.identity import stable_hash

TEXT_AUDIO, AESTHETICS, AUDIO_VISUAL = "text_audio_scorer", "aesthetics_scorer", "audio_visual_scorer"
ROLES = (TEXT_AUDIO, AESTHETICS, AUDIO_VISUAL)


class Scorers:
    """An Assessor: what the truth says, and beside it what a profile's models say of the target."""

    def __init__(self, profile: Profile) -> None:
        """Raises UserError if weights of a scorer are missing."""
        self.roles = tuple(role for role in ROLES if role in profile.models)
        self._models = ProfileModels(profile)
        self.provenance = self._models.provenance(self.roles)

    @property
    def version(self) -> str:
        """See Assessor."""
        models = stable_hash(json.dumps(self.provenance, sort_keys=True))
        return f"{MEASURES_VERSION}-{models[:12]}"

    def assess(self, asked: Sequence[Asked], answers: Sequence[Stems]) -> list[Worth]:
        """See Assessor."""
        worths = ByTruth().assess(asked, answers)
        rate, targets = asked[0].sample_rate, [answer.target for answer in answers]
        if self._text_audio:
            scores = self._text_audio.score([each.question.text for each in asked], targets, rate)
            worths = [
                replace(each, text_audio=score.clip) for each, score in zip(worths, scores, strict=True)
            ]
        if self._aesthetics:
            ratings = self._aesthetics.rate(targets, rate)
            worths = [replace(each, **asdict(rating)) for each, rating in zip(worths, ratings, strict=True)]
        if self._audio_visual:
            worths = [self._watched(*each) for each in zip(worths, asked, answers, strict=True)]
        return worths

    def _watched(self, worth: Worth, asked: Asked, answer: Stems) -> Worth:
        """With the score of what is seen, if anything is; one at a time, for frames are large."""
        video = asked.question.video
        if video is None or self._audio_visual is None:
            return worth
        frames, mask = video.pictures()
        (score,) = self._audio_visual.score(
            [answer.target], asked.sample_rate, [frames], [mask], 1 / FRAMES_A_SECOND
        )
        return replace(worth, audio_visual=float(score))

    @cached_property
    def _text_audio(self) -> TextAudioScorer | None:
        return self._models.load(TEXT_AUDIO) if TEXT_AUDIO in self.roles else None

    @cached_property
    def _aesthetics(self) -> AestheticsScorer | None:
        return self._models.load(AESTHETICS) if AESTHETICS in self.roles else None

    @cached_property
    def _audio_visual(self) -> AudioVisualScorer | None:
        return self._models.load(AUDIO_VISUAL) if AUDIO_VISUAL in self.roles else None
