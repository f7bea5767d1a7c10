"""Which separator a number stands for: that of a round, or the one that the loop began with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dataengine.loop.configuration import LoopConfig
from dataengine.loop.state import INITIAL, TRAIN_FOLDER, LoopDirectory
from dataengine.models.profile import Profile
from dataengine.yaml_source import dump_yaml
from trainer.bundled import BUNDLED
from trainer.training.folder import SEPARATOR_FOLDER

PROFILE_FILE = "profile.yaml"


@dataclass(frozen=True)
class Separators:
    """The separators of a loop."""

    config: LoopConfig
    directory: LoopDirectory

    def place(self, number: int) -> str | None:
        """The folder of a separator, or the name of the bundled one; None where it is the profile's own."""
        if number != INITIAL:
            return str(self.directory.round(number) / TRAIN_FOLDER / SEPARATOR_FOLDER)
        initial = self.config.initial
        return initial if initial in (None, BUNDLED) else str(Path(initial).resolve())

    def profile(self, number: int) -> Profile:
        """The loop's profile with this separator in its role."""
        profile, place = Profile.load(self.config.label.profile), self.place(number)
        if place is None:
            return profile
        entry = {**self.config.label.separator.model_dump(exclude_none=True), "folder": place}
        return profile.model_copy(update={"models": {**profile.models, "separator": entry}})

    def profile_file(self, round_number: int, separator: int) -> Path:
        """Write the profile with this separator for a round to label with; returns where it lies."""
        text = dump_yaml(self.profile(separator).model_dump(mode="json"))
        self.directory.storage.replace(self.directory.name(round_number, PROFILE_FILE), text.encode())
        return self.directory.round(round_number) / PROFILE_FILE
