"""What labels are called in prompts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from pydantic import RootModel

import conf
import manifests.catalogue
from dataengine.validation import validated
from dataengine.yaml_source import load_located
from manifests.identity import normalise_prompt

_NUMBER = re.compile(r"[\s._-]*\d+$")


class _Table(RootModel[dict[str, tuple[str, ...]]]):
    """Label → phrases, from general to specific."""


@dataclass(frozen=True)
class Prompt:
    """A phrase, and the stems of a track that it asks for."""

    text: str
    stems: tuple[int, ...]
    """Positions."""


@dataclass(frozen=True)
class LabelPhrases:
    """The phrases that name each label."""

    phrases: dict[str, tuple[str, ...]]

    @classmethod
    def load(cls, own: str | None = None) -> LabelPhrases:
        """The tables that come with the package, and one of the user's over them. Raises UserError."""
        catalogue = _read(str(resources.files(manifests.catalogue) / "phrases_of_labels.yaml"))
        # Where no phrase of the tagger's names a label, its own name still does.
        found = {label: phrases for label, phrases in catalogue.items() if phrases}
        found |= _read(str(resources.files(conf) / "prompts" / "labels.yaml"))
        return cls(found | _read(own) if own else found)

    def of(self, label: str) -> tuple[str, ...]:
        """From general to specific. A label that no table has is its own phrase.

        Underscores count as spaces, and a number at the end for nothing: `electric_guitar_2` is an electric guitar.
        """
        name = normalise_prompt(label.replace("_", " "))
        plain = _NUMBER.sub("", name) or name
        return self.phrases.get(name, self.phrases.get(plain, (plain,) if plain else ()))

    def prompts(self, labels: Sequence[str]) -> list[Prompt]:
        """What can be asked of a track with these stems, each set of stems once, in order of the first.

        A phrase asks for all stems that it names. Of several that ask for the same stems the most specific one
        is taken. A phrase that names all of several stems asks for nothing: there would be no rest. Where the
        track has a stem without phrases, nobody knows what else it holds, and only the most specific phrase
        of each stem is asked.
        """
        named = [self.of(label) for label in labels]
        all_known = all(named)
        texts: dict[tuple[int, ...], tuple[int, str]] = {}
        for phrases in named:
            for depth, phrase in enumerate(phrases if all_known else phrases[-1:]):
                stems = tuple(i for i, others in enumerate(named) if phrase in others)
                if len(stems) < len(labels) or len(labels) == 1:
                    texts[stems] = max(texts.get(stems, (-1, "")), (depth, phrase))
        return [Prompt(text, stems) for stems, (_, text) in sorted(texts.items())]


def _read(path: str) -> dict[str, tuple[str, ...]]:
    table = validated(_Table, load_located(path), "the table of labels").root
    return {normalise_prompt(label): phrases for label, phrases in table.items()}
