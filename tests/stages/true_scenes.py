"""Scenes of the demo with what they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RATE = 16_000


@dataclass(frozen=True)
class Scene:
    """A scene at 16 kHz and what it holds."""

    name: str
    scene_type: str
    mixture: np.ndarray
    sources: tuple[dict[str, Any], ...]
    """Rows of the truth table."""
    stems: tuple[np.ndarray, ...]
    """One for each source."""

    def stem(self, category: str) -> np.ndarray:
        """What the sources of a category add up to."""
        chosen = [
            stem
            for stem, source in zip(self.stems, self.sources, strict=True)
            if source["category"] == category
        ]
        return np.sum(chosen, axis=0)


Scenes = Callable[..., list[Scene]]
