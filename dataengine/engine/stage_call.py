"""Running one stage on a batch: checking its answer, and narrowing a failure to the rows that cause it.

Three things can go wrong. A stage raises: the batch is halved until the rows that cause it stand alone. A
stage takes its process down, or does not come to an end: whoever watches the process says which rows were
at work, and the next attempt takes them one by one (`Suspects`). Storage or network are in trouble: that is
no row's fault, and the slice is put off.
"""

from __future__ import annotations

import errno
import re
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa

from dataengine.engine import heavy_columns
from dataengine.engine.batch import Batch, Column
from dataengine.engine.stage import Stage
from manifests.identity import sample_id
from manifests.schema import KIND_TEXT, STATUS_EMPTY, STATUS_FAILED, is_heavy


class TransientError(Exception):
    """Storage or network is in trouble: no fault of the rows; their slice is done later."""


class StageContractError(TypeError):
    """A stage returned something other than what it declared."""


PERMANENT_ERRORS = frozenset(
    {
        errno.EACCES,
        errno.EILSEQ,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENODEV,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EPERM,
    }
)
"""Errors of the operating system that another try would meet again."""
PERMANENT_CLASSES = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""The same, as libraries raise them without a number."""

TRIES_OF_TRANSIENT = 3
SECONDS_BETWEEN_TRIES = 1.0


Watch: TypeAlias = Callable[[str, list[str]], None]
"""Told which stage is about to work on which rows, by their ids, in case it does not survive."""


def unwatched(stage: str, rows: list[str]) -> None:
    """The watch of a process that nobody watches."""


@dataclass(frozen=True)
class Reason:
    """Why a row failed."""

    error_type: str
    error: str
    traceback: str

    @classmethod
    def of(cls, error: Exception) -> Reason:
        """What an exception says."""
        trace = "".join(traceback.format_exception(error))
        return cls(type(error).__name__, without_addresses(str(error)), without_addresses(trace))


def without_addresses(text: str) -> str:
    """A message or stack without what differs from one process to the next."""
    return re.sub(r"\b0x[0-9a-f]{6,}\b", "0x…", text)


@dataclass
class Suspects:
    """Rows over which earlier attempts at a slice were lost, by stage and id."""

    alone: dict[str, set[str]] = field(default_factory=dict)
    """Rows that were at work together: they are taken one by one."""
    guilty: dict[str, dict[str, Reason]] = field(default_factory=dict)
    """Rows that were at work alone: they have failed."""

    def add(self, stage: str, rows: list[str], reason: Reason) -> None:
        """Count a loss that came while `stage` worked on `rows`."""
        if len(rows) == 1:
            self.guilty.setdefault(stage, {})[rows[0]] = reason
        else:
            self.alone.setdefault(stage, set()).update(rows)

    def runs(self, stage: str, rows: list[str]) -> Iterator[tuple[int, int, Reason | None]]:
        """Cut rows into stretches to be worked on together: start, stop, and why the stretch has failed."""
        alone, guilty = self.alone.get(stage, set()), self.guilty.get(stage, {})
        start = 0
        for position, row in enumerate(rows):
            if row in alone or row in guilty:
                if start < position:
                    yield start, position, None
                yield position, position + 1, guilty.get(row)
                start = position + 1
        if start < len(rows):
            yield start, len(rows), None


@dataclass
class StageResult:
    """What became of a batch in one stage."""

    passed: Batch
    """Rows that go on, rejected ones among them."""
    settled: list[Batch] = field(default_factory=list)
    """Rows that are done with: failed, or units without candidates."""
    failed: int = 0


def run_stage(
    stage: Stage, batch: Batch, watch: Watch = unwatched, suspects: Suspects | None = None
) -> StageResult:
    """Run a stage on a batch of any length; a row that makes it raise is failed, the others pass.

    Raises:
        TransientError: storage kept failing.
    """
    name, suspects = stage.name(), suspects or Suspects()
    if name not in suspects.alone and name not in suspects.guilty:
        return _halving(stage, batch, watch)
    results = [
        StageResult(batch.slice(0, 0), [failed(batch.slice(start, stop), name, reason)], failed=1)
        if reason
        else _halving(stage, batch.slice(start, stop), watch)
        for start, stop, reason in suspects.runs(name, list(batch["sample_id"]))
    ]
    return _together(results) if results else StageResult(batch)


def _halving(stage: Stage, batch: Batch, watch: Watch) -> StageResult:
    """Run a stage; an exception halves the batch until single rows are left, at this stage alone."""
    if not len(batch):
        return StageResult(batch)
    try:
        return checked(stage, batch, _patiently(stage, batch, watch))
    except TransientError:
        raise
    except Exception as error:
        if len(batch) == 1:
            row = failed(batch, stage.name(), Reason.of(error))
            return StageResult(batch.slice(0, 0), [row], failed=1)
    middle = len(batch) // 2
    halves = batch.slice(0, middle), batch.slice(middle, len(batch))
    return _together([_halving(stage, half, watch) for half in halves])


def _together(results: list[StageResult]) -> StageResult:
    return StageResult(
        Batch.concat([result.passed for result in results]),
        [rows for result in results for rows in result.settled],
        sum(result.failed for result in results),
    )


def _patiently(stage: Stage, batch: Batch, watch: Watch) -> Batch:
    """The stage's answer, after a few tries if storage is in trouble."""
    for attempt in range(TRIES_OF_TRANSIENT):
        watch(stage.name(), list(batch["sample_id"]))
        try:
            return stage.process(batch)
        except (OSError, TimeoutError) as error:
            if not is_transient(error):
                raise
            trouble = error
            time.sleep(SECONDS_BETWEEN_TRIES * 2**attempt)
    raise TransientError(f"stage {stage.name()}: {type(trouble).__name__}: {trouble}") from trouble


def is_transient(error: OSError) -> bool:
    """Whether another try may fare better: storage or network in trouble, not a file that is not there."""
    return not isinstance(error, PERMANENT_CLASSES) and error.errno not in PERMANENT_ERRORS


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
        if value is not None and (wrong := heavy_columns.fault(value, kind)):
            raise StageContractError(f"stage {stage.name()} gave in {name} {wrong}")
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


def failed(row: Batch, stage: str, reason: Reason) -> Batch:
    """The same single row as one that failed at `stage`."""
    return row.with_columns(
        status=[STATUS_FAILED],
        stage=[stage],
        error_type=[reason.error_type],
        error=[reason.error],
        traceback=[reason.traceback],
    )
