"""What several proposers would ask of each window, phrase by phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dataengine.models.roles import Matrix
from manifests.identity import normalise_prompt
from stages.phrases import Mask, PhraseTable


@dataclass(frozen=True)
class DescribedPhrase:
    """A phrase that was taken from the description of a window."""

    text: str
    """As normalised as a prompt."""
    speech: bool
    agreement: float
    """How well the window supports it."""


@dataclass(frozen=True)
class Proposals:
    """Who proposes which phrases for which rows: those of a table, and after them any others."""

    table: PhraseTable
    names: tuple[str, ...]
    confidence: Matrix
    """[sources, rows, phrases], 0 where a source does not propose; more is written into it."""
    speech: Mask
    """[rows, phrases], whether the phrase asks for speech."""

    @classmethod
    def of(
        cls, table: PhraseTable, sources: int, described: Sequence[Sequence[DescribedPhrase]], source: int
    ) -> Proposals:
        """What one of the sources has described, a list a row; a phrase that the table has counts as the table's."""
        known = {normalise_prompt(name): place for place, name in enumerate(table.names)}
        others = sorted({each.text for of_row in described for each in of_row} - known.keys())
        known |= {text: len(table.names) + place for place, text in enumerate(others)}
        names = (*table.names, *others)
        confidence = np.zeros((sources, len(described), len(names)), dtype=np.float32)
        speech = np.zeros((len(described), len(names)), dtype=bool)
        for row, of_row in enumerate(described):
            for each in of_row:
                confidence[source, row, known[each.text]] = each.agreement
                speech[row, known[each.text]] = each.speech
        speech[:, : len(table.names)] = table.speech
        return cls(table, names, confidence, speech)

    @property
    def in_table(self) -> Matrix:
        """[sources, rows, phrases of the table], a view of `confidence`."""
        return self.confidence[:, :, : len(self.table.names)]

    def most_specific(self) -> Matrix:
        """[rows, phrases], the highest confidence of all sources; 0 where the table has a better phrase."""
        highest: Matrix = self.confidence.max(axis=0)
        of_table = highest[:, : len(self.table.names)]
        of_table[~self.table.most_specific(of_table > 0)] = 0
        return highest
