"""Taking over slices that an earlier run has done, where only stages that read stored columns have changed.

A part holds what every stage has said of every row, and the audio of the rows that are kept or retained, but no
waveform that a stage could hear. So a stage can be done again on the rows of a part if a table holds what it
reads and writes; what the others said stays, as long as they would be asked about no other rows. A row that gets
further than in the earlier run needs stages that hear it, or audio that was not stored: then its slice is not
taken over, and is done like any other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.engine.batch import Batch
from dataengine.engine.parts import TAKEN_FROM, WORK_KEY, part_of
from dataengine.engine.slice_work import INDEX_STAGE, GroupRunner, SliceState, StageWork
from dataengine.engine.stage import Stage
from dataengine.engine.stems import MEMBERS
from dataengine.engine.storage import Storage
from manifests.schema import (
    LOCATION_FIELDS,
    PROVENANCE_FIELDS,
    STATUS_DONE,
    STATUS_FAILED,
    VERDICT_FIELDS,
    WAVEFORM,
)

REUSE_GROUP = "reuse"
"""What the log calls the work of doing stages again on stored rows."""

VERDICT = ("kept", "retained", "failed_criteria")
"""Columns by which stages give verdicts."""
ENDING = ("status", "stage", "error_type", "error", "traceback", "last_stage")
"""Columns that say where a row left the pipeline, and why."""
AUDIO = tuple(field.name for field in LOCATION_FIELDS)
"""Columns that say where a row's audio lies."""
PROVENANCE = tuple(field.name for field in PROVENANCE_FIELDS)

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

_VERDICT_TYPES = {field.name: field.type for field in VERDICT_FIELDS}
_WENT_THROUGH = 1 << 30


def gives_verdicts(stage: Stage) -> bool:
    """Whether a stage declares that it decides what is kept or retained."""
    return any(name in stage.columns_added() for name in VERDICT)


@dataclass(frozen=True)
class EarlierRun:
    """A run whose parts can be read."""

    storage: Storage
    pipeline_digest: str
    stages: tuple[str, ...]
    """Names of its stages, in order."""

    def part(self, number: int, units: pa.Table) -> pa.Table | None:
        """The rows that it has committed for a slice of these units; None if it has not."""
        try:
            with self.storage.open(part_of(number, units, self.pipeline_digest).name) as file:
                return pq.read_table(file)
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class Reuse:
    """What a pipeline takes over from an earlier run, and what it does again."""

    earlier: EarlierRun
    stages: tuple[Stage, ...]
    """The pipeline's stages, in order."""
    redone: frozenset[str]
    """Names of the stages that are done again; they neither hear nor write waveforms, and propose nothing."""

    def slice(self, number: int, units: pa.Table) -> tuple[SliceState, list[StageWork]] | None:
        """A slice as the pipeline leaves it, and the work of the stages done again.

        None if the slice must be done in full.
        """
        part = self.earlier.part(number, units)
        if part is None or "last_stage" not in part.column_names:  # an earlier release did not write it
            return None
        if not self._verdicts_are_apart(part):
            return None
        rows = _Rows(part, units, self, judged_anew=bool(self._judges))
        work: list[StageWork] = []
        if not rows.retell(INDEX_STAGE, ()):
            return None
        for stage in self.stages:
            if stage.name() in self.redone:
                work += rows.redo(number, stage)
            elif not rows.retell(stage.name(), stage.columns_added()):
                return None
        if rows.verdicts_are_mixed or (self._stores_audio and rows.lack_audio()):
            return None
        return SliceState(Batch({}), [with_stored_audio(rows.settled(self.earlier.storage.root))]), work

    @property
    def _judges(self) -> list[str]:
        """Stages that give verdicts, and are done again."""
        return [
            stage.name() for stage in self.stages if stage.name() in self.redone and gives_verdicts(stage)
        ]

    @property
    def _stores_audio(self) -> bool:
        return any(stage.columns_added().get("mixture") == WAVEFORM for stage in self.stages)

    def _verdicts_are_apart(self, part: pa.Table) -> bool:
        """Whether no row's verdict mixes what stages have said that are done again, and others."""
        let_go_on = _stages_that_retain(json.loads(part.schema.metadata[WORK_KEY]))
        done = pc.equal(part.column("status"), STATUS_DONE)
        stopped = set(part.column("last_stage").filter(done).to_pylist()) - {None}
        if not self._judges:
            return not self.redone & (stopped | let_go_on)
        names = [stage.name() for stage in self.stages]
        after = set(names[names.index(self._judges[0]) :])
        return not (let_go_on | (stopped & after)) - self.redone


def with_stored_audio(rows: Batch) -> Batch:
    """Rows that were taken over, with their audio as it stands in the tars of the run that they come from."""
    columns = pa.schema([(TAKEN_FROM, pa.string()), *LOCATION_FIELDS])
    members: list[Any] = []
    for place in rows.to_arrow(columns).to_pylist():
        if place[TAKEN_FROM] is None or place["part_tar"] is None:
            members.append(None)
            continue
        run = Storage.at(place[TAKEN_FROM])
        content = run.read_range(place["part_tar"], place["audio_offset"], place["audio_bytes"])
        members.append(np.frombuffer(content, np.uint8))
    return rows.with_columns(**{MEMBERS: members})


def _stages_that_retain(work: Iterable[Mapping[str, Any]]) -> set[str]:
    """Stages after which more, or fewer, rows went on that were rejected: retained ones."""
    stages, retained = set(), 0
    for entry in work:
        if entry["retained"] != retained:
            stages.add(entry["stage"])
        retained = entry["retained"]
    return stages


class _Rows:
    """The rows of a part on their way through a pipeline: through most of its stages in the telling only."""

    def __init__(self, part: pa.Table, units: pa.Table, reuse: Reuse, *, judged_anew: bool) -> None:
        self._stored = {name: part.column(name).combine_chunks() for name in part.column_names}
        self._place = {name: place for place, name in enumerate([INDEX_STAGE, *reuse.earlier.stages])}
        left_at = self._stored["last_stage"].to_pylist()
        self._left_at = np.array(left_at, dtype=object)
        self._left = np.array([_WENT_THROUGH if at is None else self._place[at] for at in left_at])
        written = Counter(name for stage in reuse.stages for name in stage.columns_added())
        self._rewritten = {name for name, times in written.items() if times > 1 or name in units.column_names}
        """Columns that have a value before the last stage that writes them."""
        self._present = np.ones(part.num_rows, dtype=bool)
        """The rows that are still on their way."""
        self.verdicts_are_mixed = False
        """Whether a stage gave verdicts, or failed rows, where the stored verdicts should stand."""
        self._judged_anew, self._judged = judged_anew, False
        self._rows = dict(self._stored)
        self._forget([*ENDING, *VERDICT] if judged_anew else ENDING, self._present)
        self._rows["status"] = pa.repeat(STATUS_DONE, part.num_rows)
        order = {unit: place for place, unit in enumerate(units.column("unit_id").to_pylist())}
        self._rows["row_order"] = pa.array([order[unit] for unit in self._stored["unit_id"].to_pylist()])

    def retell(self, name: str, columns: Iterable[str]) -> bool:
        """Let stand what a stage has said; False if it would be asked about rows that it was not."""
        reached = self._left >= self._place[name]
        too_far = reached & ~self._present
        if (self._present & ~reached).any() or (too_far.any() and self._rewritten.intersection(columns)):
            return False
        self._forget(columns, too_far)
        gone = self._present & (self._left_at == name)
        told = ENDING if self._judged else (*ENDING, *VERDICT)
        self._write({column: self._stored[column] for column in told}, gone)
        self._present &= ~gone
        return True

    def redo(self, number: int, stage: Stage) -> list[StageWork]:
        """Do a stage again on the rows that get to it."""
        unseen = {*ENDING, *AUDIO, *PROVENANCE, *(() if self._judged else VERDICT)} - {"status"}
        given = Batch({name: column for name, column in self._rows.items() if name not in unseen})
        runner = GroupRunner(REUSE_GROUP, (stage,), stage.context.models, frozenset(), len(self._present))
        state, work = runner.run(number, SliceState(given.where(self._present), []))
        self._forget(set(stage.columns_added()) - set(VERDICT), ~self._present)
        answer = Batch.concat([state.live, *state.settled])
        self._write(self._in_place(answer, stage), self._present)
        went_on = set(state.live["sample_id"]) if len(state.live) else set()
        self._present &= np.array([sample in went_on for sample in self._rows["sample_id"].to_pylist()])
        self._judged = self._judged or any(name in answer for name in VERDICT)
        self.verdicts_are_mixed |= not self._judged_anew and (self._judged or work[0].failed > 0)
        return work

    def lack_audio(self) -> bool:
        """Whether a row that came through to the end has no audio stored. One that failed to be stored fails again."""
        self._write({name: self._stored[name] for name in ENDING}, self._failed_to_be_stored())
        stored = self._stored["audio_offset"].is_valid().to_numpy(zero_copy_only=False)
        return bool((self._present & ~stored & ~self._failed_to_be_stored()).any())

    def settled(self, run: str) -> Batch:
        """The rows, with the run that they come from and without its provenance."""
        self._forget(AUDIO, ~self._present)
        rows = {name: column for name, column in self._rows.items() if name not in PROVENANCE}
        return Batch({**rows, TAKEN_FROM: pa.repeat(run, len(self._present))})

    def _failed_to_be_stored(self) -> Mask:
        failed = np.array([status == STATUS_FAILED for status in self._stored["status"].to_pylist()])
        failed &= self._present & (self._left == _WENT_THROUGH)
        return failed

    def _in_place(self, answer: Batch, stage: Stage) -> dict[str, pa.Array]:
        """What a stage answered about some rows, one value for each row."""
        types = {**_VERDICT_TYPES, **stage.columns_added()}
        told = answer.to_arrow(pa.schema([(name, kind) for name, kind in types.items() if name in answer]))
        place = {sample: at for at, sample in enumerate(answer["sample_id"])} if len(answer) else {}
        places = pa.array([place.get(sample) for sample in self._rows["sample_id"].to_pylist()], pa.int64())
        return {name: told.column(name).combine_chunks().take(places) for name in told.column_names}

    def _forget(self, names: Iterable[str], where: Mask) -> None:
        """Set columns to null in some rows."""
        known = [name for name in names if name in self._rows]
        self._write({name: pa.nulls(len(where), self._rows[name].type) for name in known}, where)

    def _write(self, columns: Mapping[str, pa.Array], where: Mask) -> None:
        """Set columns in some rows; a column that is new is null in the others."""
        count = len(where)
        choice = pa.array(np.where(where, np.arange(count), np.arange(count) + count))
        for name, column in columns.items():
            others = self._rows.get(name)
            if others is None:
                others = pa.nulls(count, column.type)
            self._rows[name] = pa.concat_arrays([column, others.cast(column.type)]).take(choice)
