"""Weights that no package carries: a folder or file of the user's, or a repository of the Hugging Face hub.

    weights: hf://laion/clap-htsat-unfused                    a repository
    weights: hf://laion/clap-htsat-unfused@<revision>         a branch, tag or commit of it
    weights: hf://lukewys/laion_clap/630k-audioset-best.pt    a file of one
    weights: /models/clap                                     a folder or file

Labelling never downloads. A repository is looked for in the mirror that `dataengine models fetch` filled, if the
environment variable DATAENGINE_MIRROR names one, and else in the hub's own cache.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from dataengine.errors import UserError

MIRROR_VARIABLE = "DATAENGINE_MIRROR"
_HUB = re.compile(
    r"hf://(?P<name>\w[\w.-]*/\w[\w.-]*?)(@(?P<revision>[\w.-]+))?(/(?P<file>(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*))?"
)

WantedFiles: TypeAlias = tuple[tuple[str, ...], ...]
"""What is needed of a folder, first of all a file that each such folder has. An entry is a choice: patterns joined by
spaces that must all be there, and in their place, if one of them is not, those after them. An empty pattern stands for
nothing: it may be missing."""


def fetch_command(profile: str) -> str:
    """What brings the weights of a profile to this machine."""
    return f"dataengine models fetch {profile}"


class MissingWeightsError(UserError):
    """Weights are not on this machine; whoever knows the profile adds how to get them."""


@dataclass(frozen=True)
class HubRepository:
    """A repository of the Hugging Face hub, or one file of it."""

    name: str
    """`owner/name`."""
    revision: str | None = None
    file: str | None = None

    @property
    def folder_name(self) -> str:
        """Where it lies in a mirror."""
        return self.name if self.revision is None else f"{self.name}@{self.revision}"


@dataclass(frozen=True)
class Weights:
    """Weights as a profile names them, and the files of theirs that a model is made from."""

    reference: str
    wanted: WantedFiles = ()

    @cached_property
    def repository(self) -> HubRepository | None:
        """The repository that is meant, or None for a path. Raises ValueError for what is neither."""
        if not self.reference.startswith("hf://"):
            path = Path(self.reference).expanduser()
            if not path.is_absolute():
                raise ValueError(f"write hf://owner/name, or an absolute path: {path.absolute()}")
            return None
        found = _HUB.fullmatch(self.reference)
        if found is None:
            raise ValueError("a repository is written hf://owner/name, hf://owner/name@revision or …/file")
        return HubRepository(**found.groupdict())

    def place(self) -> Path:
        """The folder or file on this machine. Raises MissingWeightsError."""
        repository = self.repository
        if repository is None:
            path = Path(self.reference).expanduser()
        else:
            path = self._folder_of(repository) / (repository.file or "")
        if not path.exists():
            raise MissingWeightsError(f"the weights {self.reference} are not on this machine")
        return path

    def _folder_of(self, repository: HubRepository) -> Path:
        mirror = os.environ.get(MIRROR_VARIABLE)
        if mirror:
            folder = Path(mirror).expanduser()
            if not folder.is_absolute():
                raise UserError(
                    f"{MIRROR_VARIABLE} must be an absolute path, for workers to find it: {mirror}"
                )
            if (folder / repository.folder_name).is_dir():
                return folder / repository.folder_name
        return self._folder_in_cache(repository)

    def _folder_in_cache(self, repository: HubRepository) -> Path:
        """Looked up by one file, since `fetch` leaves out what is not wanted of a repository."""
        from huggingface_hub import try_to_load_from_cache

        sought = repository.file or self.wanted[0][0]
        found = try_to_load_from_cache(repository.name, sought, revision=repository.revision)
        if not isinstance(found, str):
            raise MissingWeightsError(f"the weights {self.reference} are not on this machine")
        return Path(found.removesuffix(sought))

    def paths(self) -> tuple[Path, ...]:
        """The files that are needed, in a fixed order. Raises MissingWeightsError if one is not there."""
        place = self.place()
        if not place.is_dir():
            return (place,)
        names = [path.name for path in place.iterdir() if path.is_file()]
        return tuple(place / name for name in chosen_files(names, self.wanted, self.reference))


def chosen_files(names: Collection[str], wanted: WantedFiles, source: str) -> list[str]:
    """Those among the `names` of files of `source` that are wanted. Raises MissingWeightsError."""
    chosen: list[str] = []
    for choice in wanted:
        fitting = (_matches(names, alternative.split()) for alternative in choice)
        found = next((each for each in fitting if each is not None), None)
        if found is None:
            raise MissingWeightsError(f"the weights {source} have no {' or '.join(choice)}")
        chosen += found
    return list(dict.fromkeys(chosen))


def _matches(names: Collection[str], patterns: list[str]) -> list[str] | None:
    """Names that match any of the patterns, or None if a pattern matches none."""
    matching = [sorted(name for name in names if fnmatchcase(name, pattern)) for pattern in patterns]
    return [name for each in matching for name in each] if all(matching) else None
