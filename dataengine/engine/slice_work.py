"""A slice on its way through the stages of a worker group."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.stage import ModelSource, Stage
from dataengine.engine.stage_call import StageResult, Suspects, Watch, run_stage, unwatched
from manifests.schema import KIND_UNIT, STATUS_DONE, STATUS_FAILED

Screen: TypeAlias = Callable[[Batch], Batch]
"""Rejects rows that can be rejected before the stage that gives the verdicts has seen them."""

INDEX_STAGE = "index"
"""The stage that a unit fails at whose file the index could not read."""


@dataclass
class StageWork:
    """What one stage did on one slice: a row of `log/work.parquet`."""

    slice: int
    stage: str
    group: str
    rows_in: int = 0
    rows_out: int = 0
    rejected: int = 0
    retained: int = 0
    """Rows that go on although they are rejected."""
    failed: int = 0
    seconds: float = 0.0
    model_seconds: float = 0.0
    audio_seconds: float = 0.0
    host: str = ""
    pid: int = 0
    started: float = 0.0
    waited: float = 0.0
    """Seconds between the worker's last slice and this one; of the group's first stage, as it is the group's."""


@dataclass
class SliceState:
    """The rows of a slice between two groups, or before commit."""

    live: Batch
    """Rows that later stages still work on."""
    settled: list[Batch]
    """Rows that are done with; they hold no heavy columns."""


def units_of(table: pa.Table) -> SliceState:
    """A slice as planned: readable units live, unreadable ones failed at once."""
    batch = Batch.from_arrow(table)
    rows = len(batch)
    batch = batch.with_columns(
        sample_id=batch["unit_id"],
        kind=[KIND_UNIT] * rows,
        status=[STATUS_DONE] * rows,
        row_order=np.arange(rows),
    )
    readable = np.array([error is None for error in batch["error_type"]], dtype=bool)
    unreadable = batch.where(~readable)
    failed = unreadable.with_columns(
        status=[STATUS_FAILED] * len(unreadable), stage=[INDEX_STAGE] * len(unreadable)
    )
    failed = _left_at(INDEX_STAGE, failed)
    return SliceState(batch.where(readable), [failed] if len(failed) else [])


class Start(Protocol):
    """Says with what a slice begins, where that is more than its units."""

    def state(self, number: int, units: pa.Table) -> SliceState:
        """The slice of that number before its first stage."""
        ...


@dataclass(frozen=True)
class GroupRunner:
    """Takes slices through the stages of one group."""

    name: str
    stages: tuple[Stage, ...]
    models: ModelSource
    heavy: frozenset[str]
    """Columns that leave a row when it is settled."""
    micro_batch_units: int
    store: Stage | None = None
    """After the stages of the last group: encodes what is kept. Its time is no stage's."""
    screens: Mapping[str, Screen] = field(default_factory=dict)
    """What gives rows up early, by the stage after which it does."""

    def run(
        self,
        number: int,
        state: SliceState,
        watch: Watch = unwatched,
        suspects: Suspects | None = None,
        waited: float = 0.0,
    ) -> tuple[SliceState, list[StageWork]]:
        """Take slice `number` through the stages, a micro-batch of units at a time.

        `watch` is told before each call of a stage; `suspects` are rows that earlier attempts were lost over;
        `waited` is how many seconds there was no slice to work on.

        Raises:
            TransientError: storage kept failing; nothing of the slice is done.
        """
        about = {"group": self.name, "host": socket.gethostname(), "pid": os.getpid(), "started": time.time()}
        work = [StageWork(number, stage.name(), **about) for stage in self.stages]  # type: ignore[arg-type]
        work[0].waited = waited
        settled = list(state.settled)
        live: list[Batch] = []
        for batch in _micro_batches(state.live, self.micro_batch_units):
            for stage, entry in zip(self.stages, work, strict=True):
                if not len(batch):
                    break
                began, model_began = time.perf_counter(), self.models.seconds()
                result = run_stage(stage, batch, watch, suspects)
                if stage.name() in self.screens and len(result.passed):
                    result = replace(result, passed=self.screens[stage.name()](result.passed))
                entry.seconds += time.perf_counter() - began
                entry.model_seconds += self.models.seconds() - model_began
                batch, done_with = self._divide(result, batch, entry)
                settled.extend(done_with)
            if self.store is not None:
                result = run_stage(self.store, batch, watch, suspects)
                settled.extend(each.without(self.heavy) for each in result.settled)
                batch = result.passed
            live.append(batch)
        return SliceState(Batch.concat(live) if live else state.live, settled), work

    def _divide(self, result: StageResult, given: Batch, entry: StageWork) -> tuple[Batch, list[Batch]]:
        """What goes on to the next stage, and what is done with; both are counted."""
        passed, rejected = _split_rejected(result.passed)
        entry.rows_in += len(given)
        entry.rows_out += len(passed)
        entry.rejected += len(rejected)
        entry.retained += int(_rejected(passed).sum())
        entry.failed += result.failed
        entry.audio_seconds += float(np.nansum(given["duration"]))
        done_with = [each for each in (*result.settled, rejected) if len(each)]
        return passed, [_left_at(entry.stage, each.without(self.heavy)) for each in done_with]


def _micro_batches(batch: Batch, units: int) -> list[Batch]:
    """The rows, cut after every `units` units; the candidates of a unit stay together."""
    if not len(batch):
        return []
    order = batch["row_order"]
    unit_numbers = np.cumsum(np.concatenate([[0], np.diff(order) != 0]))
    cuts = [0, *np.flatnonzero(np.diff(unit_numbers // units)) + 1, len(batch)]
    return [batch.slice(int(start), int(stop)) for start, stop in pairwise(cuts)]


def _split_rejected(batch: Batch) -> tuple[Batch, Batch]:
    """Split off the rows that are rejected and not retained."""
    none = batch.slice(0, 0)
    rejected = _rejected(batch)
    if "retained" in batch:
        rejected &= ~np.array([bool(retained) for retained in batch["retained"]])
    return (batch, none) if not rejected.any() else (batch.where(~rejected), batch.where(rejected))


def _rejected(batch: Batch) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """[rows], true for those that a stage has rejected."""
    kept = batch["kept"] if "kept" in batch else np.ones(len(batch), dtype=bool)
    if isinstance(kept, np.ndarray) and kept.dtype == bool:
        return ~kept
    return np.array([each is not None and not each for each in kept], dtype=bool)


def _left_at(stage: str, rows: Batch) -> Batch:
    """Rows that are done with, with the stage that saw them last."""
    return rows.with_columns(last_stage=[stage] * len(rows))


def work_rows(work: Sequence[StageWork]) -> list[dict[str, Any]]:
    """Work as plain rows."""
    return [asdict(entry) for entry in work]
