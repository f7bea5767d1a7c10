"""Results of a run or of a selection: `samples/`, `shards/`, and the one file that says which of them count.

Names carry a digest of what the files are made from, so that a file that exists is never a wrong one, and
a writer that is interrupted goes on where it stopped. The pointer is written last, by compare-and-set.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from dataengine.engine.lease import LeaseLostError
from dataengine.engine.storage import Storage
from dataengine.engine.swap import swap

SAMPLES_FOLDER = "samples"
SHARDS_FOLDER = "shards"


@dataclass(frozen=True)
class Results:
    """Files that belong together, and their figures."""

    digest: str
    """Of what they are made from."""
    epoch: int
    """Of the driver that made them."""
    samples: tuple[str, ...]
    """Files of the samples table, in order of their ids."""
    shards: tuple[str, ...]
    packed: int
    left_out: dict[str, int]
    """Kept samples that are in no shard, by reason."""
    shard_bytes: int

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Results:
        """The results that a pointer names."""
        mine = {field.name: facts[field.name] for field in fields(cls)}
        return cls(**{**mine, "samples": tuple(mine["samples"]), "shards": tuple(mine["shards"])})

    def are_whole(self, storage: Storage) -> bool:
        """Whether all files are there."""
        return all(
            set(names) <= set(storage.files(folder))
            for names in (self.samples, self.shards)
            for folder in {name.rpartition("/")[0] for name in names}
        )


@dataclass(frozen=True)
class Place:
    """Where results go in a run directory."""

    storage: Storage
    folder: str
    """Holds `samples/` and `shards/`; empty for the run itself."""
    pointer: str
    check: Callable[[], None]
    """Called before anything is published; raises if another driver has taken the run over."""

    def inside(self, name: str) -> str:
        """A name below the folder."""
        return f"{self.folder}/{name}" if self.folder else name

    def read_pointer(self) -> bytes | None:
        """The pointer as it is; None if there is none."""
        try:
            return self.storage.read(self.pointer)
        except FileNotFoundError:
            return None

    def point(self, before: bytes | None, results: Results, facts: dict[str, Any]) -> None:
        """Make these results the ones that count, and remove files of others.

        Raises LeaseLostError if the pointer is not as it was `before`: another driver has written it.
        """
        self.check()
        after = json.dumps({**facts, **asdict(results)}, indent=1).encode()
        if not swap(self.storage, self.pointer, before, after):
            raise LeaseLostError(f"another process has written {self.storage.path(self.pointer)} meanwhile")
        self.remove_others(results)

    def remove_others(self, results: Results) -> None:
        """Remove what the pointer does not name."""
        named = {*results.samples, *results.shards}
        for folder in (SAMPLES_FOLDER, SHARDS_FOLDER):
            for name in [each for each in self.storage.files(self.inside(folder)) if each not in named]:
                self.check()
                self.storage.remove(name)


def results_of(storage: Storage, pointer: str) -> Results | None:
    """The results that a pointer names; None if there is no pointer yet."""
    try:
        return Results.of(json.loads(storage.read(pointer)))
    except FileNotFoundError:
        return None
