"""Separators as users name them: a profile, a folder that training left, or the one that comes with the package."""

from __future__ import annotations

import os
from pathlib import Path

from dataengine.errors import UserError
from dataengine.evaluation.contestants import Promptable
from dataengine.models.profile import Profile, profile_names
from dataengine.validation import suggestion
from trainer.bundled import BUNDLED, place_of
from trainer.separator import configuration_in
from trainer.training.folder import SEPARATOR_FOLDER


def profile_of(separator: str) -> Profile:
    """The profile that is meant, or the one that a separator was trained with, with that separator in its role.

    Raises UserError if it is neither, or if something is wrong with the profile.
    """
    if separator == BUNDLED or Path(separator).is_dir():
        place = separator if separator == BUNDLED else str(_folder(Path(separator)))
        profile = _trained_with(place)
        entry = {"adapter": "trained", "folder": place}
        return profile.model_copy(update={"models": {**profile.models, "separator": entry}})
    if separator.endswith((".yaml", ".yml")) or separator in profile_names():
        return Profile.load(separator)
    known = suggestion(separator, [BUNDLED, *profile_names()])
    raise UserError(f"{separator!r} is no folder of a separator and no profile{known}")


def contestant_of(separator: str, profile: Profile) -> Promptable:
    """The separator of a profile, with all cores of this machine, under a name for tables.

    Raises UserError if the profile has none, or if weights are missing.
    """
    named = profile.name
    if separator == BUNDLED:
        named = BUNDLED
    elif Path(separator).is_dir():
        folder = _folder(Path(separator)).resolve()
        named = folder.parent.name if folder.name == SEPARATOR_FOLDER else folder.name
    return Promptable.of_profile(named, profile.model_copy(update={"threads": os.cpu_count() or 1}))


def _folder(given: Path) -> Path:
    """Of a training run, the separator in it."""
    within = given / SEPARATOR_FOLDER
    return within if within.is_dir() else given


def _trained_with(place: str) -> Profile:
    """The profile that the separator in a folder, or the bundled one, names as its own."""
    folder = place_of(place)
    named = configuration_in(folder).profile
    try:
        return Profile.load(named)
    except UserError as error:
        raise UserError(
            f"it was trained with profile {named!r} and needs the models of that profile: {error}",
            where=str(folder),
        ) from error
