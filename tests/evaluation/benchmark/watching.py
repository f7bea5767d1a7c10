"""An audio-visual scorer that anybody can follow: how bright it is under the mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataengine.models.adapter import Adapter, Runtime
from dataengine.models.roles import Frames, Matrix, ModelCard, Waveform


class MaskedBrightnessAdapter(Adapter):
    role = "audio_visual_scorer"

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        return ModelCard(self.role, name, "1", "0" * 32, "Apache-2.0", True, "tests")

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> MaskedBrightness:
        return MaskedBrightness(card)


class MaskedBrightness:
    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def score(
        self,
        waveforms: Sequence[Waveform],
        sample_rate: int,
        frames: Sequence[Frames],
        masks: Sequence[Frames | None],
        hop_seconds: float,
    ) -> Matrix:
        seen = [each[mask == 1].mean() / 255 for each, mask in zip(frames, masks, strict=True)]
        return np.array(seen, dtype=np.float32)
