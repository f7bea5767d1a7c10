"""Failed rows as the driver hears of them: who failed, where and why, without the traceback."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataengine.engine.batch import Batch
from manifests.schema import STATUS_FAILED

MESSAGE_CHARACTERS = 500
"""Of an error's message; the whole of it is in the row."""


@dataclass(frozen=True)
class Failure:
    """A row of a part that failed."""

    unit_id: str
    sample_id: str
    stage: str
    error_type: str
    message: str


def failures_of(rows: Batch) -> tuple[Failure, ...]:
    """The failed ones among the rows of a part, in their order."""
    failed = np.flatnonzero(np.asarray(rows["status"]) == STATUS_FAILED)
    if not len(failed):
        return ()
    of = rows.take(failed)
    columns = (of[name] for name in ("unit_id", "sample_id", "stage", "error_type", "error"))
    return tuple(
        Failure(str(unit), str(sample), str(stage), str(kind), str(error or "")[:MESSAGE_CHARACTERS])
        for unit, sample, stage, kind, error in zip(*columns, strict=True)
    )
