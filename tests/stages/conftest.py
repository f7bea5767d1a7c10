"""Real scenes with known stems, as stages see them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from true_scenes import RATE, Scene, Scenes

from manifests.media import open_recording


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
