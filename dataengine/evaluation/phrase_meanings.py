"""Which prompts name which labels of the catalogue, beyond doubt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from pydantic import RootModel

import conf
import manifests.catalogue
from dataengine.errors import UserError
from dataengine.validation import validated
from dataengine.yaml_source import load_located
from manifests.identity import normalise_prompt

TABLE = "phrases_of_labels.yaml"
STEMS_TABLE = "labels.yaml"


class _Table(RootModel[dict[str, tuple[str, ...]]]):
    """Label → phrases."""


@dataclass(frozen=True)
class PhraseMeanings:
    """The phrases that name each label."""

    phrases: dict[str, tuple[str, ...]]
    """From general to specific; none where no phrase names a label beyond doubt."""

    @classmethod
    def load(cls) -> PhraseMeanings:
        """The table in `manifests/catalogue/`."""
        return cls(_read(str(resources.files(manifests.catalogue) / TABLE)))

    @classmethod
    def with_stems(cls) -> PhraseMeanings:
        """The same, and the table of stems' labels in `conf/prompts/`: of the instruments that play rendered music."""
        stems = _read(str(resources.files(conf) / "prompts" / STEMS_TABLE))
        return cls(stems | cls.load().phrases)

    def names(self, prompt: str, label: str) -> bool:
        """Whether a prompt names what the label stands for; what could be argued about it does not.

        Raises UserError for a label that the table does not have.
        """
        return normalise_prompt(prompt) in self.of(label)

    def of(self, label: str) -> tuple[str, ...]:
        """The phrases of a label, from general to specific. Raises UserError for one that the table does not have."""
        if label not in self.phrases:
            raise UserError(f"no phrases are given for the label {label!r}; add it to {TABLE}")
        return self.phrases[label]

    def prompt_for(self, label: str, others: Iterable[str]) -> str | None:
        """The most specific phrase that names a label and none of the others; None if there is none.

        Raises UserError for labels that the table does not have.
        """
        taken = {phrase for other in others for phrase in self.of(other)}
        return next((phrase for phrase in reversed(self.of(label)) if phrase not in taken), None)


def _read(path: str) -> dict[str, tuple[str, ...]]:
    table = validated(_Table, load_located(path), "the table of phrases").root
    return {label: tuple(map(normalise_prompt, phrases)) for label, phrases in table.items()}
