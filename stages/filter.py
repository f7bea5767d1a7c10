"""The verdict: which candidates are kept, and every criterion the others failed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.errors import UserError
from stages.criteria import FilterFile, decide, load_filter_file
from stages.screen import Screen, audited


class Filter(Stage):
    """Keep the candidates that pass all criteria of a filter file.

    A candidate that passes the file's looser list is *retained*: it keeps its audio, so that it can be
    selected later. So is a rejected one that is drawn for an audit; the draw depends on the run's seed
    and the candidate's id alone.
    """

    adds = {"kept": pa.bool_(), "retained": pa.bool_(), "failed_criteria": pa.list_(pa.string())}

    criteria: str | None = None
    """Path of a filter file; default: the profile's."""

    _file: FilterFile | None = PrivateAttr(default=None)

    def prepare(self) -> None:
        """Read and check the filter file. Raises UserError."""
        path = self.criteria or self.context.filters
        if path is None:
            raise UserError("no criteria to filter by; name a filter file with `criteria:` or in the profile")
        self._file = load_filter_file(path, self.context.schema)

    def columns_read(self) -> tuple[str, ...]:
        """The scores and conditions that the filter file names, and the id that an audit draws by."""
        return ("sample_id", *self._filters.columns)

    def identity(self) -> dict[str, Any]:
        """The file's content decides, wherever it lies."""
        return {**super().identity(), "parameters": self._filters.identity()}

    def process(self, batch: Batch) -> Batch:
        """Add the verdict."""
        filters = self._filters
        columns = {name: batch.raw(name) for name in filters.columns}
        decision = decide(filters.criteria, columns, len(batch))
        kept = decision.passed
        retained = audited(batch["sample_id"], ~kept, filters.audit_share, self.context.seed)
        if filters.retain:
            retained |= decide(filters.retain, columns, len(batch)).passed
        return batch.with_columns(kept=kept, retained=retained, failed_criteria=decision.failed_names())

    @property
    def calibrated_with(self) -> dict[str, str]:
        """Role → digest of the model that the thresholds were chosen for; empty if the file does not say."""
        models = (self._filters.calibration or {}).get("models")
        cards: dict[str, Any] = models if isinstance(models, dict) else {}
        return {
            role: card["digest"]
            for role, card in cards.items()
            if isinstance(card, dict) and "digest" in card
        }

    @property
    def _filters(self) -> FilterFile:
        if self._file is None:
            raise RuntimeError("filter was used before it was prepared")
        return self._file

    def screen(self, known: Collection[str]) -> Screen:
        """What can be said of a candidate before this stage, when these columns are known."""
        return Screen(self._filters, self.context.seed, frozenset(known))
