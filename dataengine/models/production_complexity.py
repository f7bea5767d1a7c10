"""Audiobox's production complexity as scene complexity: what the reference filters by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataengine.models.adapter import Adapter, Runtime, composed_card
from dataengine.models.roles import AestheticsScorer, ClipScore, ModelCard, Waveform


class ProductionComplexityAdapter(Adapter):
    """The scorer has no options."""

    role = "scene_complexity_scorer"
    parts = ("aesthetics_scorer",)

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return composed_card(self, name, list(parts.values()))

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> ProductionComplexity:
        """See Adapter."""
        return ProductionComplexity(card, parts["aesthetics_scorer"])


class ProductionComplexity:
    """A SceneComplexityScorer: about 1 for one sound by itself to 10 for a dense production."""

    def __init__(self, card: ModelCard, scorer: AestheticsScorer) -> None:
        self.card = card
        self._scorer = scorer

    def complexity(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[ClipScore]:
        """See SceneComplexityScorer; the scorer rates no frames."""
        rated = self._scorer.rate(waveforms, sample_rate)
        no_frames = np.empty(0, np.float32)
        return [ClipScore(each.production_complexity, no_frames, 0.0) for each in rated]
