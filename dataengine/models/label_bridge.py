"""A text–audio scorer from a tagger and a text encoder, where no CLAP weights are at hand.

Both sides are described by the tagger's classes. The text is a softmax over its similarity to the class
names; the audio is the square root of each class's probability. The score is the cosine of the two:
0 (nothing in common) to 1. It knows the tagger's classes and nothing else: not who speaks, not how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from dataengine.errors import UserError
from dataengine.models.adapter import Adapter, Runtime, composed_card
from dataengine.models.roles import ClipScore, Matrix, ModelCard, Tagger, TextEncoder, Waveform


class LabelBridgeAdapter(Adapter):
    """Options of the scorer."""

    role = "text_audio_scorer"
    parts = ("tagger", "text_encoder")

    temperature: float = Field(default=0.05, gt=0)
    """Of the softmax over class names: lower follows the nearest name more exclusively."""

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return composed_card(self, name, list(parts.values()))

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> LabelBridge:
        """See Adapter. Raises UserError for a text encoder that gives no vector for a whole text."""
        return LabelBridge.of(card, parts, self.temperature)


class LabelBridge:
    """A TextAudioScorer with a score for each of the tagger's frames."""

    def __init__(self, card: ModelCard, tagger: Tagger, encoder: TextEncoder, temperature: float) -> None:
        self.card = card
        self._tagger = tagger
        self._encoder = encoder
        self._temperature = temperature
        self._class_vectors = encoder.encode(tagger.classes)

    @classmethod
    def of(cls, card: ModelCard, parts: Mapping[str, Any], temperature: float) -> LabelBridge:
        """From loaded models. Raises UserError for a text encoder that gives no vector for a whole text."""
        encoder = parts["text_encoder"]
        if not hasattr(encoder, "encode"):
            raise UserError(
                f"the text encoder {encoder.card.adapter!r} gives vectors of tokens and none of a whole text; name "
                "another one in the profile, such as minilm"
            )
        return cls(card, parts["tagger"], encoder, temperature)

    def score(self, texts: Sequence[str], waveforms: Sequence[Waveform], sample_rate: int) -> list[ClipScore]:
        """See TextAudioScorer; the clip is described by each class's highest frame."""
        wanted = {text: self._describe(text) for text in set(texts)}
        tags = self._tagger.tag(waveforms, sample_rate)
        return [
            self._compare(wanted[text], heard.probabilities) for text, heard in zip(texts, tags, strict=True)
        ]

    def _compare(self, text: Matrix, probabilities: Matrix) -> ClipScore:
        heard = np.sqrt(np.vstack([probabilities.max(axis=0), probabilities]))
        scores = _unit(heard) @ text
        return ClipScore(float(scores[0]), scores[1:], self._tagger.hop_seconds)

    def _describe(self, text: str) -> Matrix:
        """[classes], a unit vector."""
        similarity = self._class_vectors @ self._encoder.encode([text])[0] / self._temperature
        weights = np.exp(similarity - similarity.max())
        return _unit(weights)


def _unit(rows: Matrix) -> Matrix:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    units: Matrix = rows / np.maximum(lengths, np.float32(1e-12))
    return units
