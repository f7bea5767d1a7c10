"""What a tagger's classes are called in a prompt, and which of several names to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dataengine.errors import UserError
from dataengine.models.roles import Matrix
from dataengine.validation import validated
from dataengine.yaml_source import Located, load_located

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"


class Phrase(BaseModel):
    """An entry of a phrase table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[str, ...] = Field(min_length=1)
    """Classes of the tagger that propose the phrase."""
    instead_of: str | None = None
    """A more general phrase, which is not proposed beside this one."""
    ensemble: bool = False
    """The phrase stands beside two or more that were proposed instead of it."""
    speech: bool = False
    """The phrase asks for speech."""


class PhraseFile(BaseModel):
    """A file of `conf/prompts/`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phrases: dict[str, Phrase] = Field(min_length=1)


@dataclass(frozen=True)
class PhraseTable:
    """Phrases in the order of their file."""

    phrases: dict[str, Phrase]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The phrases themselves."""
        return tuple(self.phrases)

    @cached_property
    def speech(self) -> Mask:
        """[phrases], true where the phrase asks for speech."""
        return np.array([phrase.speech for phrase in self.phrases.values()], dtype=bool)

    def probabilities(self, classes: Sequence[str], of_classes: Matrix) -> Matrix:
        """[rows, phrases] from [rows, classes]: the highest of a phrase's classes.

        Classes that are in no phrase count for nothing; a phrase without a known class gets 0.
        """
        column = {name: i for i, name in enumerate(classes)}
        known = [
            [column[each] for each in phrase.classes if each in column] for phrase in self.phrases.values()
        ]
        heard = [i for i, columns in enumerate(known) if columns]
        starts = np.cumsum([0, *(len(known[i]) for i in heard[:-1])])
        result = np.zeros((len(of_classes), len(known)), dtype=np.float32)
        if heard:
            flat = [each for columns in known for each in columns]
            result[:, heard] = np.maximum.reduceat(of_classes[:, flat], starts, axis=1)
        return result

    def most_specific(self, confident: Mask) -> Mask:
        """[rows, phrases]: the confident phrases without those for which a better one is proposed."""
        narrower = confident.astype(np.int64) @ self._broader
        leaves = confident & (narrower == 0)
        parts = leaves.astype(np.int64) @ self._broader
        ensemble = np.array([phrase.ensemble for phrase in self.phrases.values()], dtype=bool)
        specific: Mask = leaves | (confident & ensemble & (parts >= 2))
        return specific

    @cached_property
    def _broader(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """[phrases, phrases], 1 where the second is more general than the first."""
        position = {name: i for i, name in enumerate(self.phrases)}
        relation = np.zeros((len(position), len(position)), dtype=np.int64)
        for name in self.phrases:
            broader = self.phrases[name].instead_of
            while broader is not None:
                relation[position[name], position[broader]] = 1
                broader = self.phrases[broader].instead_of
        return relation


def load_phrases(path: str) -> PhraseTable:
    """Read and check a phrase table. Raises UserError with file and line."""
    located = load_located(path)
    phrases = validated(PhraseFile, located, "the phrase table").phrases
    phrase_of: dict[str, str] = {}
    for name, phrase in phrases.items():
        _check_broader(name, phrases, located)
        for each in phrase.classes:
            if each in phrase_of:
                raise UserError(
                    f"class {each!r} stands in {phrase_of[each]!r} already",
                    where=located.where("phrases", name),
                )
            phrase_of[each] = name
    return PhraseTable(phrases)


def _check_broader(name: str, phrases: dict[str, Phrase], located: Located) -> None:
    where = located.where("phrases", name, "instead_of")
    seen = [name]
    broader = phrases[name].instead_of
    while broader is not None:
        if broader not in phrases:
            raise UserError(f"{seen[-1]!r} stands instead of {broader!r}, which is no phrase", where=where)
        if broader in seen:
            raise UserError(f"phrases stand instead of each other: {' → '.join(seen)}", where=where)
        seen.append(broader)
        broader = phrases[broader].instead_of
