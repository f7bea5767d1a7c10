"""Giving up a candidate before all of its scores are known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from manifests.identity import seed_of
from stages.criteria import Criterion, FilterFile, Mask, decide


@dataclass(frozen=True)
class Screen:
    """What a filter file can already say of candidates when only some columns are known.

    A candidate is hopeless if it fails a criterion that can be evaluated, so that it cannot be kept; fails one of the
    looser list, if there is one, so that it cannot be retained; and is not drawn for the audit. Whatever
    the scores that are still missing will say, its verdict stands.
    """

    filters: FilterFile
    seed: int
    """The run's; the audit draws by it."""
    known: frozenset[str]
    """Columns that are known."""

    @property
    def evaluated(self) -> int:
        """How many criteria of the two lists can be evaluated."""
        return len(self.criteria) + len(self.retain)

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The criteria that can be evaluated."""
        return _evaluable(self.filters.criteria, self.known)

    @property
    def retain(self) -> tuple[Criterion, ...]:
        """Those of the looser list."""
        return _evaluable(self.filters.retain, self.known)

    def __call__(self, batch: Batch) -> Batch:
        """The rows, the hopeless ones rejected by the criteria that they fail."""
        columns = {name: batch.raw(name) for name in self.filters.columns if name in batch}
        hopeless = self.hopeless(columns, batch["sample_id"])
        if not hopeless.any():
            return batch
        failed = (
            decide(self.criteria, self._with_missing(columns, len(batch)), len(batch))
            .failed_names()
            .to_pylist()
        )
        evaluated = {criterion.name for criterion in self.criteria}
        left = [criterion.name for criterion in self.filters.criteria if criterion.name not in evaluated]
        return batch.with_columns(
            kept=[False if each else None for each in hopeless],
            retained=[False if each else None for each in hopeless],
            failed_criteria=[names if each else None for names, each in zip(failed, hopeless, strict=True)],
            criteria_not_evaluated=[left if each else None for each in hopeless],
        )

    def hopeless(self, columns: Mapping[str, Any], sample_ids: list[str]) -> Mask:
        """[rows], true for the candidates that can neither be kept nor retained any more."""
        rows = len(sample_ids)
        if not self.criteria or (self.filters.retain and not self.retain):
            return np.zeros(rows, dtype=bool)
        columns = self._with_missing(columns, rows)
        hopeless = ~decide(self.criteria, columns, rows).passed
        if self.filters.retain:
            hopeless &= ~decide(self.retain, columns, rows).passed
        return hopeless & ~audited(sample_ids, hopeless, self.filters.audit_share, self.seed)

    def _with_missing(self, columns: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """The columns, with nulls for scores that are still missing: closed criteria do not look at them."""
        missing = pa.nulls(rows, pa.float32())
        return {name: columns.get(name, missing) for name in self.filters.columns}


def audited(sample_ids: list[str], rejected: Mask, share: float, seed: int) -> Mask:
    """[rows], true for the rejected rows that an audit draws, by their ids."""
    drawn = np.zeros(len(sample_ids), dtype=bool)
    if share > 0:
        for row in np.flatnonzero(rejected):
            drawn[row] = seed_of(seed, "audit", sample_ids[row]) / 2**64 < share
    return drawn


def _evaluable(criteria: tuple[Criterion, ...], known: Collection[str]) -> tuple[Criterion, ...]:
    """Criteria whose columns are known; a closed one fails wherever it applies, whatever its score is."""
    return tuple(
        each for each in criteria if set(each.columns[1:] if each.is_closed else each.columns) <= set(known)
    )
