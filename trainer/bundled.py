"""The separator that comes with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from dataengine.errors import UserError

BUNDLED = "seed"
"""Its name, wherever a separator's folder may be named."""


def place_of(separator: str | Path) -> Path:
    """The folder that is meant by a name or path: the bundled one's, or itself.

    Raises UserError if none is bundled.
    """
    if str(separator) != BUNDLED:
        return Path(separator)
    place = Path(str(resources.files("trainer"))) / "seed_separator"
    if not place.is_dir():
        raise UserError(
            "this version comes without a separator; train one (make seed), and name its folder: runs/seed/separator",
            where=BUNDLED,
        )
    return place
