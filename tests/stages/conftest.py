"""Real scenes with known stems, as stages see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from manifests.media import open_recording

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


@pytest.fixture(scope="session")
def scenes(demo_directory: Path) -> Scenes:
    """`scenes(split, *types)`: scenes of a split, all of them or those of the given types."""

    @cache
    def of_split(split: str) -> list[Scene]:
        by_name: dict[str, list[dict[str, Any]]] = {}
        for row in pq.read_table(demo_directory / "truth" / f"{split}.parquet").to_pylist():
            by_name.setdefault(row["scene"], []).append(row)
        return [
            Scene(
                name=name,
                scene_type=rows[0]["scene_type"],
                mixture=_read(demo_directory / split / name),
                sources=tuple(rows),
                stems=tuple(_read(demo_directory / "truth" / row["stem"]) for row in rows if row["stem"]),
            )
            for name, rows in sorted(by_name.items())
        ]

    def chosen(split: str, *types: str) -> list[Scene]:
        return [scene for scene in of_split(split) if not types or scene.scene_type in types]

    return chosen


def _read(path: Path) -> np.ndarray:
    with open_recording(str(path)) as recording:
        return recording.read(0.0, recording.info.duration, RATE)
