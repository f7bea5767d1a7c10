"""Adapters of models whose weights the profile names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dataengine.models.adapter import Adapter, digest_of_files
from dataengine.models.libraries import Library
from dataengine.models.roles import ModelCard
from dataengine.models.weights import WantedFiles, Weights


class Licence(BaseModel):
    """Under what terms weights were published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    commercial: bool
    """Whether it allows commercial use."""


NOT_STATED = Licence(name="not stated", commercial=False)


class WeightedAdapter(Adapter):
    """An adapter of a library's model with weights from a path or the Hugging Face hub; see `weights.py`."""

    libraries: ClassVar[tuple[Library, ...]]
    """See Adapter; the one that decides the model's answers comes first."""
    wanted: ClassVar[WantedFiles]
    """Files of the weights' folder."""
    published: ClassVar[Mapping[str, Licence]] = {}
    """Repository of the hub → the licence that it states."""
    not_deciding: ClassVar[frozenset[str]] = frozenset({"weights", "licence"})

    weights: str
    """`hf://owner/name[@revision][/file]`, or an absolute path."""
    licence: Licence | None = None
    """Of weights other than the published ones: {name: CC0-1.0, commercial: true}."""

    @field_validator("weights")
    @classmethod
    def _says_where(cls, reference: str) -> str:
        Weights(reference).repository  # noqa: B018 - refuses what cannot be understood
        return reference

    def weight_sets(self) -> tuple[Weights, ...]:
        """See Adapter."""
        return (Weights(self.weights, self.wanted),)

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter. Raises UserError for a missing library, too."""
        versions = [each.require(name) for each in self.libraries]
        licence = self._licence()
        return ModelCard(
            role=self.role,
            adapter=name,
            version=f"{self.libraries[0].distribution} {versions[0]}+adapter{self.revision}",
            digest=digest_of_files(self.files()),
            licence=licence.name,
            commercial=licence.commercial,
            source=", ".join(each.reference for each in self.weight_sets()),
        )

    def files(self) -> tuple[Path, ...]:
        """The files that the model is made from. Raises UserError if one is not on this machine."""
        return tuple(path for each in self.weight_sets() for path in each.paths())

    def _licence(self) -> Licence:
        if self.licence is not None:
            return self.licence
        licences = [self._licence_of(each) for each in self.weight_sets()]
        return Licence(
            name="; ".join(dict.fromkeys(each.name for each in licences)),
            commercial=all(each.commercial for each in licences),
        )

    def _licence_of(self, weights: Weights) -> Licence:
        repository = weights.repository
        return self.published.get(repository.name, NOT_STATED) if repository else NOT_STATED
