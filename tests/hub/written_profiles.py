"""Profile files as a user writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataengine.models.profile import Profile, ProfileModels
from dataengine.yaml_source import dump_yaml

RATE = 48_000


def models_of(folder: Path, models: dict[str, dict[str, Any]]) -> ProfileModels:
    """The models of a profile file, written into the folder; role → adapter and options."""
    path = folder / "mine.yaml"
    path.write_text(dump_yaml({"name": "mine", "sample_rate": RATE, "models": models}))
    return ProfileModels(Profile.load(str(path)))
