"""What a training drew from and started from, wherever that was said and wherever its loop lies now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dataengine.loop.state import STATE_FILE, TRAIN_FOLDER
from trainer.bundled import BUNDLED
from trainer.data.indexing import shards_in
from trainer.training.folder import CHECKPOINTS_FOLDER, CONFIG_FILE, STARTED_IN_FILE


@dataclass(frozen=True)
class Training:
    """A training's folder, read again."""

    folder: Path
    """Absolute."""
    config: Mapping[str, Any]
    """As `train.json` holds it: paths are as they were written."""

    @classmethod
    def of(cls, separator: str) -> Training | None:
        """The one that a separator or checkpoint came out of; None if its folder is not there to tell."""
        if separator == BUNDLED:
            return None
        folder = Path(separator).resolve().parent
        if folder.name == CHECKPOINTS_FOLDER:
            folder = folder.parent
        config = folder / CONFIG_FILE
        return cls(folder, json.loads(config.read_text())) if config.is_file() else None

    def shards(self) -> Iterator[tuple[str, str]]:
        """Kind and place of each shard that it could draw from. Raises UserError if there are none at a place."""
        for kind, places in self.config["data"]["shards"].items():
            for shard in (shard for place in places for shard in shards_in(self.place_of(place))):
                yield kind, shard

    def place_of(self, named: str) -> str:
        """Where something lies now that this training, or a sample of its loop, names by path or URL."""
        if named == BUNDLED or "://" in named:
            return named
        place = started_in(self.folder) / named
        if self._loop_then and place.is_relative_to(self._loop_then):
            place = self.folder.parents[2] / place.relative_to(self._loop_then)
        return str(place)

    @cached_property
    def _loop_then(self) -> Path | None:
        """Where the loop lay when this was trained in it; None if it was trained in no loop.

        A loop names the labels of a round by their absolute path.
        """
        if not self.folder.match(f"rounds/*/{TRAIN_FOLDER}"):
            return None
        labels = self.config["data"]["shards"].get("pseudo_labelled")
        return (
            Path(labels[0]).parents[2] if labels and (self.folder.parents[2] / STATE_FILE).is_file() else None
        )


def started_in(folder: Path) -> Path:
    """The directory that relative paths of a training start from; this one, if its folder does not say."""
    note = folder / STARTED_IN_FILE
    return Path(note.read_text()) if note.is_file() else Path.cwd()
