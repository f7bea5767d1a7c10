"""Running one stage on a batch: checking its answer, and narrowing a failure to the rows that cause it."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch, Column
from dataengine.engine.stage import Stage
from manifests.identity import sample_id
from manifests.schema import KIND_TEXT, STATUS_EMPTY, STATUS_FAILED, is_heavy


class TransientError(Exception):
    """Storage or network is in trouble: no fault of the rows; their slice is done later."""


class StageContractError(TypeError):
    """A stage returned something other than what it declared."""


PERMANENT_OS_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""Errors of the operating system that another try would meet again."""

TRIES_OF_TRANSIENT = 3
SECONDS_BETWEEN_TRIES = 1.0


@dataclass
class StageResult:
    """What became of a batch in one stage."""

    passed: Batch
    """Rows that go on, rejected ones among them."""
    settled: list[Batch] = field(default_factory=list)
    """Rows that are done with: failed, or units without candidates."""
    failed: int = 0


def run_stage(stage: Stage, batch: Batch) -> StageResult:
    """Run a stage on a batch of any length; a row that makes it raise is failed, the others pass.

    An exception halves the batch until single rows are left, at this stage alone.

    Raises:
        TransientError: storage kept failing.
    """
    if not len(batch):
        return StageResult(batch)
    try:
        return checked(stage, batch, _patiently(stage, batch))
    except TransientError:
        raise
    except Exception as error:
        if len(batch) == 1:
            return StageResult(batch.slice(0, 0), [failed(batch, stage.name(), error)], failed=1)
    middle = len(batch) // 2
    first, second = (
        run_stage(stage, batch.slice(0, middle)),
        run_stage(stage, batch.slice(middle, len(batch))),
    )
    return StageResult(
        Batch.concat([first.passed, second.passed]),
        [*first.settled, *second.settled],
        first.failed + second.failed,
    )


def _patiently(stage: Stage, batch: Batch) -> Batch:
    """The stage's answer, after a few tries if storage is in trouble."""
    for attempt in range(TRIES_OF_TRANSIENT):
        try:
            return stage.process(batch)
        except PERMANENT_OS_ERRORS:
            raise
        except (OSError, TimeoutError) as error:
            trouble = error
            time.sleep(SECONDS_BETWEEN_TRIES * 2**attempt)
    raise TransientError(f"stage {stage.name()}: {type(trouble).__name__}: {trouble}") from trouble


def checked(stage: Stage, given: Batch, answer: Batch) -> StageResult:
    """Hold a stage to its declaration, and give new candidates their ids."""
    if not isinstance(answer, Batch):
        raise StageContractError(f"stage {stage.name()} returned {type(answer).__name__}, not a Batch")
    declared = stage.columns_added()
    missing = [name for name in declared if name not in answer]
    if missing:
        raise StageContractError(f"stage {stage.name()} declares {', '.join(missing)} and did not add it")
    allowed = {*given.names, *declared, "kept", "retained", "failed_criteria"}
    undeclared = [name for name in answer.names if name not in allowed]
    if undeclared:
        raise StageContractError(f"stage {stage.name()} added {', '.join(undeclared)} without declaring it")
    answer = answer.with_columns(
        **{name: _typed(stage, answer, name, kind) for name, kind in declared.items()}
    )
    if stage.proposes:
        return _with_candidates(stage, given, answer)
    if list(answer["sample_id"]) != list(given["sample_id"]):
        raise StageContractError(f"stage {stage.name()} changed, dropped or reordered rows; use Batch.reject")
    return StageResult(answer)


def _typed(stage: Stage, answer: Batch, name: str, kind: pa.DataType) -> Column:
    """A column that a stage wrote, in the type it declared; heavy columns stay lists of arrays."""
    if not is_heavy(kind):
        try:
            return answer.select([name]).to_arrow(pa.schema([(name, kind)])).column(0).combine_chunks()
        except TypeError as error:
            raise StageContractError(f"stage {stage.name()}: {error}") from error
    values: list[Any] = answer[name]
    for value in values:
        if value is not None and not isinstance(value, np.ndarray):
            raise StageContractError(
                f"stage {stage.name()} gave a {type(value).__name__} in {name}, where an array is due"
            )
    return values


def _with_candidates(stage: Stage, given: Batch, answer: Batch) -> StageResult:
    kinds = answer["kind"] if "kind" in stage.columns_added() else [KIND_TEXT] * len(answer)
    texts = answer["text"] if "text" in answer else [None] * len(answer)
    units = answer["unit_id"]
    ids = [sample_id(u, t or "", k) for u, t, k in zip(units, texts, kinds, strict=True)]
    if len(set(ids)) < len(ids):
        raise StageContractError(f"stage {stage.name()} proposed the same candidate twice")
    with_candidates = set(units)
    strange = with_candidates - set(given["unit_id"])
    if strange:
        raise StageContractError(
            f"stage {stage.name()} returned rows of units it was not given: {sorted(strange)}"
        )
    without = given.where([unit not in with_candidates for unit in given["unit_id"]])
    settled = [without.with_columns(status=[STATUS_EMPTY] * len(without))] if len(without) else []
    return StageResult(answer.with_columns(sample_id=ids, kind=list(kinds)), settled)


def failed(row: Batch, stage: str, error: Exception) -> Batch:
    """The same single row as one that failed at `stage`."""
    trace = "".join(traceback.format_exception(error))
    return row.with_columns(
        status=[STATUS_FAILED],
        stage=[stage],
        error_type=[type(error).__name__],
        error=[str(error)],
        traceback=[trace],
    )
