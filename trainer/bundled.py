"""The separator that comes with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

BUNDLED = "seed"
"""Its name, wherever a separator's folder may be named."""


def place_of(separator: str | Path) -> Path:
    """The folder that is meant by a name or path: the bundled one's, or itself."""
    if str(separator) != BUNDLED:
        return Path(separator)
    return Path(str(resources.files("trainer"))) / "seed_separator"
