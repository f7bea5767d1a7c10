"""Several answers of a separator that draws at random, and of them the one that the prompt describes best.

The reference makes up to eight candidates and ranks those for a text prompt by 5 · CLAP + judge. No role judges
separations here yet, so the text–audio score decides alone; where a prompt has no text, nothing is ranked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from dataengine.errors import UserError
from dataengine.models.adapter import Adapter, Runtime, composed_card
from dataengine.models.registry import find_adapter
from dataengine.models.roles import Matrix, ModelCard, Prompt, Separator, Stems, TextAudioScorer, Waveform
from dataengine.models.weights import Weights

SCORER = "text_audio_scorer"


class BestOfAdapter(Adapter):
    """Options. The separator stands inside them, as it would in a profile."""

    role = "separator"

    of: dict[str, Any]
    """The separator: {adapter: trained, steps: 4}. One that draws nothing answers the same each time."""
    candidates: int = Field(default=8, ge=1)

    @field_validator("of")
    @classmethod
    def _is_a_separator(cls, entry: dict[str, Any]) -> dict[str, Any]:
        try:
            adapter = _adapter_of(entry)
        except UserError as error:
            raise ValueError(str(error)) from error
        if adapter.role != cls.role:
            raise ValueError(
                f"adapter {entry['adapter']!r} fills the role {adapter.role!r}, not {cls.role!r}"
            )
        return entry

    def built_from(self) -> tuple[str, ...]:
        """See Adapter: what the separator is built from, and the scorer."""
        return tuple(dict.fromkeys((*self._separator.built_from(), SCORER)))

    def options(self) -> dict[str, Any]:
        """See Adapter."""
        return {
            "candidates": self.candidates,
            "of": {"adapter": self.of["adapter"], **self._separator.options()},
        }

    def weight_sets(self) -> tuple[Weights, ...]:
        """See Adapter."""
        return self._separator.weight_sets()

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return composed_card(self, name, [self._card_of_separator(parts), parts[SCORER]])

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> BestOf:
        """See Adapter."""
        cards = {role: model.card for role, model in parts.items()}
        separator = self._separator.load(self._card_of_separator(cards), runtime, parts)
        return BestOf(card, separator, parts[SCORER], self.candidates)

    @property
    def _separator(self) -> Adapter:
        return _adapter_of(self.of)

    def _card_of_separator(self, parts: Mapping[str, ModelCard]) -> ModelCard:
        return self._separator.card(self.of["adapter"], parts)


class BestOf:
    """A Separator. It answers with the first of the candidates whose target agrees best with the text."""

    def __init__(
        self, card: ModelCard, separator: Separator, scorer: TextAudioScorer, candidates: int
    ) -> None:
        self.card = card
        self._separator = separator
        self._scorer = scorer
        self._candidates = candidates

    def separate(
        self, mixtures: Sequence[Waveform], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        """See Separator; candidates are drawn by the seeds from the prompt's own on."""
        counts = [self._candidates if prompt.text else 1 for prompt in prompts]
        heard = [each for each, count in zip(mixtures, counts, strict=True) for _ in range(count)]
        asked = [
            replace(prompt, seed=prompt.seed + number)
            for prompt, count in zip(prompts, counts, strict=True)
            for number in range(count)
        ]
        drawn = self._separator.separate(heard, asked, sample_rate)
        agreement = self._agreement(asked, drawn, sample_rate)
        starts = np.cumsum([0, *counts])[: len(counts)]
        return [
            drawn[start + int(np.argmax(agreement[start : start + count]))]
            for start, count in zip(starts, counts, strict=True)
        ]

    def _agreement(self, asked: Sequence[Prompt], drawn: Sequence[Stems], sample_rate: int) -> Matrix:
        """[candidates], of each one's text and target; 0 where there is no text."""
        texts = {place: prompt.text for place, prompt in enumerate(asked) if prompt.text}
        targets = [drawn[place].target for place in texts]
        agreement = np.zeros(len(drawn), dtype=np.float32)
        agreement[list(texts)] = [
            score.clip for score in self._scorer.score(list(texts.values()), targets, sample_rate)
        ]
        return agreement


def _adapter_of(entry: Mapping[str, Any]) -> Adapter:
    """Raises UserError or ValueError for an entry that is none."""
    options = dict(entry)
    name = options.pop("adapter", None)
    if not isinstance(name, str):
        raise UserError("the separator lacks the key 'adapter'")
    return find_adapter(name).model_validate_json(json.dumps(options), strict=True)
