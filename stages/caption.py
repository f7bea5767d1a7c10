"""What could be asked of a mixture: text prompts for the sounds that are heard in it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
from pydantic import Field, PrivateAttr, field_validator

import conf
from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.errors import UserError
from dataengine.models.roles import GenderClassifier, Matrix, Tagger, VoiceActivityDetector, Waveform
from manifests.schema import KIND_TEXT
from stages.phrases import PhraseTable, load_phrases
from stages.proposals import DescribedPhrase, Proposals
from stages.speech_presence import speech_presence
from stages.voices import cut_speech, sureness_of_gender

Proposer: TypeAlias = Literal["description", "gender", "tagger", "vad"]
SOURCES = np.array(["description", "gender", "tagger", "vad"])
"""Proposers, in the order in which `text_source` joins them."""
DESCRIPTION, GENDER, TAGGER, VAD = range(len(SOURCES))
ROLES: dict[Proposer, str] = {
    "tagger": "tagger",
    "vad": "voice_activity_detector",
    "gender": "gender_classifier",
}
"""The models that proposers ask; the description was made before."""

SPEECH, WOMAN, MAN = "speech", "woman speaking", "man speaking"
"""Phrases that a table must have: the ones that are not proposed by a tagger alone."""


class Caption(Stage):
    """Propose text prompts for each window; a window in which nothing is sure has none.

    A tagger's classes name the sounds, through a table of phrases. A class counts with the probability
    that it reaches in a number of frames. Of a general phrase and a more specific one ("animal sounds",
    "dog barking") only the specific one is proposed. A voice-activity detector proposes speech as well,
    and where a gender classifier is sure of both halves of the speech, so that two voices are not taken
    for one, the prompt says who speaks. The reference lets a captioner and a language model name the
    sounds, and so does the proposer `description`, with what stage `describe` has written down; its
    confidence is the text–audio score with the mixture, which is no probability. A phrase that several
    propose is one candidate; `text_source` names them all, and `text_confidence` is the highest of theirs.
    """

    reads = ("mixture",)
    adds = {
        "text": pa.string(),
        "text_source": pa.string(),
        "text_confidence": pa.float32(),
        "speech_prompt": pa.bool_(),
        "kind": pa.string(),
    }
    roles = ("tagger", "voice_activity_detector", "gender_classifier")
    proposes = True

    phrases: str | None = None
    """Path of a phrase table; default: `conf/prompts/audioset_phrases.yaml`."""
    proposers: tuple[Proposer, ...] = Field(default=("tagger", "vad", "gender"), min_length=1)
    """Who proposes. `gender` needs `vad`; `description` needs stage `describe`; only they: [description]."""
    max_prompts: int = Field(default=4, ge=1)
    """At most this many candidates a window, the most confident ones."""
    threshold: float = Field(default=0.2, ge=0, le=1)
    """Probability from which on a class proposes its phrase."""
    minimum_frames: int = Field(default=2, ge=1)
    """Frames of the tagger in which a class must reach its probability. One frame is often mistaken;
    frames that overlap hear even the shortest sound twice."""
    speech_threshold: float = Field(default=0.9, ge=0, le=1)
    """Probability of speech from which on the voice-activity detector proposes it."""
    minimum_speech_seconds: float = Field(default=0.5, gt=0)
    """How much speech there must be for the detector to propose it, and for each of the two halves by
    which gender is judged."""
    gender_threshold: float = Field(default=0.8, gt=0.5, le=1)
    """Probability from which on the classifier is sure of a woman's or a man's voice."""
    description_threshold: float = Field(default=0.2, ge=0, lt=1)
    """Text–audio score above which the mixture supports a phrase of the description. The reference filters by
    CLAP too and gives no number: this one is ours, and was not measured."""

    _table: PhraseTable | None = PrivateAttr(default=None)
    _tagger: Tagger | None = PrivateAttr(default=None)
    _detector: VoiceActivityDetector | None = PrivateAttr(default=None)
    _classifier: GenderClassifier | None = PrivateAttr(default=None)

    @field_validator("proposers")
    @classmethod
    def _fit_together(cls, proposers: tuple[Proposer, ...]) -> tuple[Proposer, ...]:
        if len(set(proposers)) < len(proposers):
            raise ValueError("each counts once")
        if "gender" in proposers and "vad" not in proposers:
            raise ValueError("'gender' judges the speech that 'vad' finds; name both")
        return proposers

    def columns_read(self) -> tuple[str, ...]:
        """The mixture, and what stage `describe` took from it if it is asked for."""
        return (*self.reads, "description_phrases") if "description" in self.proposers else self.reads

    def roles_used(self) -> tuple[str, ...]:
        """The models of the proposers."""
        return tuple(role for proposer, role in ROLES.items() if proposer in self.proposers)

    def prepare(self) -> None:
        """Read and check the phrase table. Raises UserError."""
        path = self.phrases or str(resources.files(conf) / "prompts" / "audioset_phrases.yaml")
        table = load_phrases(path)
        for phrase in (SPEECH, WOMAN, MAN):
            if phrase not in table.phrases:
                raise UserError(f"the phrase table lacks the phrase {phrase!r}", where=f"{path}:1")
        self._table = table

    def identity(self) -> dict[str, Any]:
        """The table's content decides, wherever it lies."""
        own = super().identity()
        table = {name: phrase.model_dump() for name, phrase in self._phrases.phrases.items()}
        return {**own, "parameters": {**own["parameters"], "phrases": table}}

    def setup(self) -> None:
        """Load the models."""
        loaded = {role: self.context.models.load(role) for role in self.roles_used()}
        self._tagger = loaded.get("tagger")
        self._detector = loaded.get("voice_activity_detector")
        self._classifier = loaded.get("gender_classifier")

    def process(self, batch: Batch) -> Batch:
        """Return a row for each candidate."""
        mixtures = batch["mixture"]
        proposals = Proposals.of(self._phrases, len(SOURCES), self._described(batch), DESCRIPTION)
        in_table = proposals.in_table
        if self._tagger is not None:
            in_table[TAGGER] = self._heard_by(self._tagger, mixtures)
        if self._detector is not None:
            self._add_speech(self._detector, mixtures, in_table)
        rows, phrases = self._best(proposals.most_specific())
        sources = proposals.confidence[:, rows, phrases]
        return batch.expand(
            rows,
            text=[proposals.names[phrase] for phrase in phrases],
            text_source=["+".join(SOURCES[each > 0]) for each in sources.T],
            text_confidence=sources.max(axis=0),
            speech_prompt=proposals.speech[rows, phrases],
            kind=[KIND_TEXT] * len(rows),
        )

    @property
    def _phrases(self) -> PhraseTable:
        if self._table is None:
            raise RuntimeError("caption was used before it was prepared")
        return self._table

    def _described(self, batch: Batch) -> list[list[DescribedPhrase]]:
        """For each row the phrases of its description that it supports."""
        if "description" not in self.proposers:
            return [[] for _ in range(len(batch))]
        phrases = [
            [DescribedPhrase(**each) for each in of_row or ()] for of_row in batch["description_phrases"]
        ]
        return [
            [each for each in of_row if each.agreement > self.description_threshold] for of_row in phrases
        ]

    def _heard_by(self, tagger: Tagger, mixtures: Sequence[Waveform]) -> Matrix:
        """[rows, phrases], how sure the tagger is of each phrase; 0 where it does not propose it."""
        tags = tagger.tag(mixtures, self.context.sample_rate)
        reached = np.stack([_reached(each.probabilities, self.minimum_frames) for each in tags])
        probabilities = self._phrases.probabilities(tagger.classes, reached)
        return np.where(probabilities >= self.threshold, probabilities, np.float32(0))

    def _add_speech(
        self, detector: VoiceActivityDetector, mixtures: Sequence[Waveform], confidence: Matrix
    ) -> None:
        """Write into `confidence` [sources, rows, phrases] what detector and classifier propose."""
        rate = self.context.sample_rate
        speech, *genders = (self._phrases.names.index(each) for each in (SPEECH, WOMAN, MAN))
        activity = detector.detect(mixtures, rate)
        presence = np.array([speech_presence(each, self.minimum_speech_seconds) for each in activity])
        confidence[VAD, :, speech] = np.where(presence >= self.speech_threshold, presence, 0)
        if self._classifier is None:
            return
        speaking = np.flatnonzero(confidence[VAD, :, speech])
        voices = [cut_speech(mixtures[int(row)], activity[int(row)], rate) for row in speaking]
        sureness = sureness_of_gender(self._classifier, voices, rate, self.minimum_speech_seconds)
        for phrase, sure in zip(genders, sureness.T, strict=True):
            named = speaking[sure >= self.gender_threshold]
            confidence[GENDER, named, phrase] = sure[sure >= self.gender_threshold]
            confidence[:, named, phrase] = np.maximum(
                confidence[:, named, phrase], confidence[:, named, speech]
            )

    def _best(self, confidence: Matrix) -> tuple[Any, Any]:
        """Rows and phrases of the highest entries above 0, at most `max_prompts` a row, highest first."""
        order = np.argsort(-confidence, axis=1, kind="stable")[:, : self.max_prompts]
        rows, ranks = np.nonzero(np.take_along_axis(confidence, order, axis=1))
        return rows, order[rows, ranks]


def _reached(probabilities: Matrix, frames: int) -> Matrix:
    """[classes], the highest probability that each class reaches in at least so many frames."""
    frames = min(frames, len(probabilities))
    reached: Matrix = np.sort(probabilities, axis=0)[-frames]
    return reached
