"""From a separator to every recording that shaped it.

A separator was shaped by what its training could draw from, by what shaped the weights that training started from,
and by what shaped the separators whose stems it learnt from, in this loop or elsewhere.
"""

from __future__ import annotations

import json
import tarfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataengine.errors import UserError
from dataengine.loop.separators import PROFILE_FILE, Separators
from dataengine.loop.state import INITIAL, TRAIN_FOLDER, LoopState
from dataengine.loop.trainings import Training, started_in
from dataengine.yaml_source import load_located
from manifests.remote import open_filesystem, storage_errors
from trainer.bundled import BUNDLED
from trainer.data.shards import LARGEST_NOTES

TRAINED = ("trained", "enhancer_and_trained")
"""Adapters of what training made."""


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
    trainings: dict[str, None] = {}
    origins: dict[str, None] = {}
    found: dict[str, Shaping] = {}
    untold = 0
    waiting = deque(_separators_behind(separators, state, number))
    while waiting:
        place = waiting.popleft()
        training = Training.of(place)
        if training is None:
            origins[place] = None
            continue
        if str(training.folder) in trainings:
            continue
        trainings[str(training.folder)] = None
        behind = {training.config.get("start_from"): None}
        for kind, notes in _samples(training):
            behind[_labelled_by(notes)] = None
            if "recording_id" not in notes:
                untold += 1
                continue
            kinds = _shaping(found, notes).through.setdefault(str(training.folder), {})
            kinds[kind] = kinds.get(kind, 0) + 1
        waiting.extend(training.place_of(each) for each in behind if each is not None)
    recordings = tuple(found[key] for key in sorted(found))
    return Lineage(number, tuple(trainings), tuple(origins), recordings, untold)


def _separators_behind(separators: Separators, state: LoopState, number: int) -> Iterator[str]:
    """Of a round, of the one that labelled in it, and so on to the first."""
    while number != INITIAL:
        yield str(separators.place(number))
        number = state.rounds[number - 1].labelled_by
    yield _first_separator(separators)


def _first_separator(separators: Separators) -> str:
    """The folder of the separator that the first round used, or words for one that came out of no training."""
    first = separators.directory.round(1)
    if (first / PROFILE_FILE).is_file():
        found = _trained_folder(load_located(first / PROFILE_FILE).data["models"]["separator"])
        place = found if found in (None, BUNDLED) else str(started_in(first / TRAIN_FOLDER) / found)
    else:
        place = separators.place(INITIAL)
    return place or f"the separator of profile {separators.config.label.profile}"


def _labelled_by(notes: Mapping[str, Any]) -> str | None:
    """The folder of the trained separator that made a sample's stems, if one did."""
    card = notes.get("provenance", {}).get("models", {}).get("separator")
    return card and _trained_folder({"adapter": card.get("adapter"), **card.get("options", {})})


def _trained_folder(entry: Mapping[str, Any]) -> str | None:
    """The folder that the model of a role names, if it is a trained separator, or one that asks one."""
    if "of" in entry:
        return _trained_folder(entry["of"])
    return entry.get("folder", BUNDLED) if entry.get("adapter") in TRAINED else None


def _shaping(found: dict[str, Shaping], notes: Mapping[str, Any]) -> Shaping:
    recording = str(notes["recording_id"])
    licence = notes.get("provenance", {}).get("licence")
    return found.setdefault(recording, Shaping(recording, str(notes.get("uri", "")), licence, {}))


def _samples(training: Training) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Kind and notes of each sample that a training could draw."""
    for kind, shard in training.shards():
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
