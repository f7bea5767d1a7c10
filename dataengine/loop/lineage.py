"""From a separator to every recording that shaped it.

A separator was shaped by what its training could draw from, by what shaped the weights that training started from,
and by what shaped the separator whose stems it learnt from.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.errors import UserError
from dataengine.loop.separators import Separators
from dataengine.loop.state import INITIAL, LoopState
from manifests.remote import open_filesystem, storage_errors
from trainer.bundled import BUNDLED
from trainer.data.indexing import shards_in
from trainer.data.shards import LARGEST_NOTES
from trainer.training.folder import CHECKPOINTS_FOLDER, CONFIG_FILE


@dataclass(frozen=True)
class Shaping:
    """A recording, and how it shaped a separator."""

    recording_id: str
    uri: str
    licence: str | None
    """As its manifest told; None if it told none."""
    through: dict[str, dict[str, int]]
    """Training folder → kind of shard → samples of this recording that it could draw."""


@dataclass(frozen=True)
class Lineage:
    """What shaped a separator."""

    separator: int
    trainings: tuple[str, ...]
    """Folders of the trainings that it goes back to, the latest first."""
    origins: tuple[str, ...]
    """Where it goes back to separators that do not say what they were trained on."""
    recordings: tuple[Shaping, ...]
    """By id."""
    untold: int
    """Samples in shards that do not say which recording they are from."""


def lineage(separators: Separators, state: LoopState, number: int | None = None) -> Lineage:
    """What shaped the separator of a round; default: the promoted one.

    Raises UserError if there is no such round, if it was not trained, or if shards it drew from are gone.
    """
    number = state.promoted if number is None else number
    if not INITIAL <= number <= len(state.rounds):
        raise UserError(f"there is no round {number}; there are {len(state.rounds)}, and 0 is the start")
    trainings: dict[str, Mapping[str, Any]] = {}
    origins: dict[str, None] = {}
    for place in _separators_behind(separators, state, number):
        _follow(place, trainings, origins)
    found: dict[str, Shaping] = {}
    untold = 0
    for training, config in trainings.items():
        for kind, notes in _samples(config):
            if "recording_id" not in notes:
                untold += 1
                continue
            kinds = _shaping(found, notes).through.setdefault(training, {})
            kinds[kind] = kinds.get(kind, 0) + 1
    recordings = tuple(found[key] for key in sorted(found))
    return Lineage(number, tuple(trainings), tuple(origins), recordings, untold)


def _separators_behind(separators: Separators, state: LoopState, number: int) -> Iterator[str]:
    """Of a round, of the one that labelled in it, and so on to the first."""
    while number != INITIAL:
        yield str(separators.place(number))
        number = state.rounds[number - 1].labelled_by
    yield separators.place(INITIAL) or f"the separator of profile {separators.config.label.profile}"


def _follow(place: str, trainings: dict[str, Mapping[str, Any]], origins: dict[str, None]) -> None:
    """Add the training that a separator or checkpoint came out of, and those that it started from."""
    folder = Path(place).parent
    if folder.name == CHECKPOINTS_FOLDER:
        folder = folder.parent
    config = folder / CONFIG_FILE
    if place == BUNDLED or not config.is_file():
        origins[place] = None
    elif str(folder) not in trainings:
        trainings[str(folder)] = json.loads(config.read_text())
        if start := trainings[str(folder)].get("start_from"):
            _follow(start, trainings, origins)


def _shaping(found: dict[str, Shaping], notes: Mapping[str, Any]) -> Shaping:
    recording = str(notes["recording_id"])
    licence = notes.get("provenance", {}).get("licence")
    return found.setdefault(recording, Shaping(recording, str(notes.get("uri", "")), licence, {}))


def _samples(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Kind and notes of each sample that a training could draw."""
    for kind, places in config["data"]["shards"].items():
        for shard in (shard for place in places for shard in shards_in(place)):
            for notes in _notes(shard):
                yield kind, notes


def _notes(shard: str) -> Iterator[Mapping[str, Any]]:
    filesystem, path = open_filesystem(shard)
    try:
        with (
            storage_errors(shard),
            filesystem.open(path, "rb") as file,
            tarfile.open(fileobj=file, mode="r:") as tar,
        ):
            for member in tar:
                if member.isreg() and member.name.endswith(".json") and member.size <= LARGEST_NOTES:
                    content = tar.extractfile(member)
                    yield json.loads(content.read()) if content else {}
    except (tarfile.TarError, ValueError) as error:
        raise UserError(f"this is no shard, or a damaged one: {error}", where=shard) from error
