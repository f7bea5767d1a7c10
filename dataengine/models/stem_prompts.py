"""Which stems of a music separator a prompt asks for: `conf/prompts/stems.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import conf
from dataengine.models.roles import Prompt
from dataengine.validation import validated
from dataengine.yaml_source import load_located

VOCALS, OTHER = "vocals", "other"
TABLE = Path(str(resources.files(conf))) / "prompts" / "stems.yaml"

_WORD = re.compile(r"[\w'-]+")


class _Table(BaseModel):
    """Stem → words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocals: tuple[str, ...]
    drums: tuple[str, ...]
    bass: tuple[str, ...]
    guitar: tuple[str, ...]
    piano: tuple[str, ...]
    other: tuple[str, ...]
    accompaniment: tuple[str, ...]


@dataclass(frozen=True)
class StemPrompts:
    """Words, one or several in a row, and the stem that holds what they name."""

    stem_of: Mapping[tuple[str, ...], str]

    @classmethod
    def load(cls) -> StemPrompts:
        """The table that comes with the package. Raises UserError if somebody broke it."""
        table = validated(_Table, load_located(TABLE), "the table of stems").model_dump()
        return cls({_words(phrase): stem for stem, phrases in table.items() for phrase in phrases})

    def asked(self, prompt: Prompt, stems: Sequence[str]) -> tuple[str, ...]:
        """Those of a separator's `stems`, `vocals` and `other` among them, that hold what a prompt names.

        What no other stem is for is in `other`, so there is always one.
        """
        if prompt.speech:
            return (VOCALS,)
        named = set(self._named(_words(prompt.text or ""))) or {OTHER}
        if "accompaniment" in named:
            named |= set(stems) - {VOCALS}
        elif not named <= set(stems):
            named.add(OTHER)
        return tuple(stem for stem in stems if stem in named)

    def _named(self, words: tuple[str, ...]) -> list[str]:
        """Stems of the longest phrases in the words, from left to right."""
        longest = max(map(len, self.stem_of))
        found, place = [], 0
        while place < len(words):
            lengths = range(min(longest, len(words) - place), 0, -1)
            length = next((each for each in lengths if words[place : place + each] in self.stem_of), None)
            if length is not None:
                found.append(self.stem_of[words[place : place + length]])
            place += length or 1
        return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))
