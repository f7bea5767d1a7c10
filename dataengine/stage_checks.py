"""The contract of stages as a series of checks, each on the same few rows."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.stage import ModelSource, Stage
from dataengine.engine.stage_call import StageContractError, checked, run_stage
from dataengine.models.profile import forget_models
from dataengine.stage_comparison import copied, distance, first_difference, values_of
from manifests.schema import MANIFEST_FIELDS, VERDICT_FIELDS, is_heavy

BATCH_TOLERANCE = 1e-4
"""What a number may differ by, relative to itself and 1, when other rows are in the batch: models add up
in another order then."""

GIVEN = frozenset(
    [*(field.name for field in (*MANIFEST_FIELDS, *VERDICT_FIELDS)), "sample_id", "kind", "row_order"]
)
"""Columns that every row has, declared or not."""


@dataclass(frozen=True)
class Check:
    """One clause of the contract, and whether the stage kept it."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Cost:
    """What the stage took for rows it had not seen, models loaded."""

    rows: int
    seconds: float
    audio_seconds: float
    """Audio that was worked on in this time."""
    peak_bytes: int | None
    """Memory beyond what the process held before; None where the system does not tell."""


class Examination:
    """A stage, set up and given rows, held against its contract."""

    def __init__(self, new_stage: Callable[[], Stage], rows: Batch) -> None:
        """`new_stage` gives the stage bound and prepared, not set up; `rows` are what stages before it made."""
        self._new_stage, self._rows = new_stage, rows
        self._stage = new_stage()
        self._models = _WatchedModels(self._stage.context.models)
        self._written = tuple(self._stage.columns_added())
        self.rows = len(rows)
        self.cost: Cost | None = None

    def checks(self) -> Iterator[Check]:
        """Every check, one after the other; the rest is left out where the stage cannot do its work at all."""
        try:
            self._start_worker()
        except Exception as error:
            yield Check("sets itself up", False, _said(error))
            return
        yield Check("sets itself up", True)
        given = copied(self._rows)
        answer = self._measured_answer(given)
        yield Check("declared columns, of their types; every row accounted for", *_verdict(answer))
        if not isinstance(answer, Batch):
            return
        yield Check("leaves its input alone", *_verdict(self._change_of_input(given)))
        yield Check("leaves other columns alone", *_verdict(self._change_of_other_columns(answer)))
        yield Check("loads only the models it declares", *_verdict(self._undeclared_models()))
        yield self._same("same rows, same result", answer, self._again, 0.0)
        yield self._same("one row at a time", answer, self._one_by_one, BATCH_TOLERANCE)
        yield self._same("in two halves", answer, self._in_halves, BATCH_TOLERANCE)
        yield self._same("rows in another order", answer, self._shuffled, BATCH_TOLERANCE)
        yield self._same("reads only what it declares", answer, self._declared_columns_only, 0.0)
        yield self._same("rows that came from another worker", answer, self._from_another_worker, 0.0)
        yield self._null_check(answer)

    def _answer(self, rows: Batch) -> Batch | str:
        """What the stage makes of rows, held to its declaration; or what went wrong."""
        try:
            return checked(self._stage, rows, self._stage.process(rows)).passed
        except StageContractError as error:
            return str(error)
        except Exception as error:
            return _said(error)

    def _measured_answer(self, rows: Batch) -> Batch | str:
        peak, began = _PeakMemory(), time.perf_counter()
        answer = self._answer(rows)
        seconds = time.perf_counter() - began
        self.cost = Cost(len(rows), seconds, float(np.nansum(rows["duration"])), peak.growth())
        return answer

    def _same(self, name: str, expected: Batch, work: Callable[[], Batch | str], tolerance: float) -> Check:
        self._start_worker()
        found = work()
        if isinstance(found, str):
            return Check(name, False, found)
        return Check(name, *_verdict(first_difference(expected, found, self._written, tolerance)))

    def _start_worker(self) -> None:
        """What a worker does before its first batch; nothing that an earlier check did is remembered."""
        forget_models()
        self._stage = self._new_stage()
        self._stage.bind(replace(self._stage.context, models=self._models))
        self._stage.setup()

    def _again(self) -> Batch | str:
        return self._answer(copied(self._rows))

    def _one_by_one(self) -> Batch | str:
        return self._in_pieces([[row] for row in range(len(self._rows))])

    def _in_halves(self) -> Batch | str:
        middle = len(self._rows) // 2
        return self._in_pieces([range(middle), range(middle, len(self._rows))])

    def _shuffled(self) -> Batch | str:
        order = np.random.default_rng(0).permutation(len(self._rows))
        return self._answer(copied(self._rows).take(order))

    def _declared_columns_only(self) -> Batch | str:
        allowed = {*GIVEN, *self._stage.columns_read()}
        undeclared = [name for name in self._rows.names if name not in allowed]
        return self._answer(copied(self._rows).without(undeclared))

    def _from_another_worker(self) -> Batch | str:
        """Rows cross between workers as Arrow tables, whose arrays cannot be written into."""
        return self._answer(Batch.from_arrow(self._rows.infer_arrow()))

    def _in_pieces(self, pieces: Sequence[Sequence[int]]) -> Batch | str:
        answers = []
        for rows in pieces:
            answer = self._answer(copied(self._rows.take(rows)))
            if isinstance(answer, str):
                return answer
            answers.append(answer)
        return Batch.concat(answers)

    def _change_of_input(self, given: Batch) -> str | None:
        changed = [name for name in self._rows.names if _differ(self._rows, given, name)]
        return f"it wrote into {', '.join(changed)}" if changed else None

    def _change_of_other_columns(self, answer: Batch) -> str | None:
        key = "unit_id" if self._stage.proposes else "sample_id"
        parents = {each: row for row, each in enumerate(self._rows[key])}
        before = self._rows.take([parents[each] for each in answer[key]])
        own = {*self._written, "sample_id", "kind", "kept", "retained", "failed_criteria"}
        changed = [name for name in self._rows.names if name not in own and _differ(before, answer, name)]
        return f"it changed {', '.join(changed)} without declaring it" if changed else None

    def _undeclared_models(self) -> str | None:
        undeclared = sorted(self._models.loaded - set(self._stage.roles_used()))
        return f"it loaded {', '.join(undeclared)}" if undeclared else None

    def _null_check(self, answer: Batch) -> Check:
        """A null in a column that may hold one concerns its own row: no score, or a failed row, and no other."""
        name = "a null concerns its own row only"
        self._start_worker()
        remarks = []
        for column in self._columns_with_nulls():
            first = self._rows["unit_id"][0]
            values = zip(self._rows["unit_id"], values_of(self._rows, column), strict=True)
            kind = self._stage.context.schema[column]
            nulls = pa.array([None if u == first else v for u, v in values], kind, from_pandas=True)
            result = run_stage(self._stage, copied(self._rows).with_columns(**{column: nulls}))
            expected, found = _other_units(answer, first), _other_units(result.passed, first)
            difference = first_difference(expected, found, self._written, BATCH_TOLERANCE)
            if difference:
                return Check(name, False, f"with a null in {column}, in another row {difference}")
            if result.failed:
                remarks.append(f"a row without {column} fails")
        return Check(name, True, "; ".join(remarks))

    def _columns_with_nulls(self) -> list[str]:
        never_null = {field.name for field in MANIFEST_FIELDS} | {"sample_id", "kind"}
        heavy = {name for name, kind in self._stage.context.schema.items() if is_heavy(kind)}
        return [name for name in self._stage.columns_read() if name not in never_null | heavy]


def _said(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


def _verdict(problem: Batch | str | None) -> tuple[bool, str]:
    return (False, problem) if isinstance(problem, str) else (True, "")


def _other_units(batch: Batch, unit: str) -> Batch:
    return batch.where([each != unit for each in batch["unit_id"]])


def _differ(before: Batch, now: Batch, column: str) -> bool:
    if column not in now:
        return True
    pairs = zip(values_of(before, column), values_of(now, column), strict=True)
    return any(one is not other and distance(one, other) > 0 for one, other in pairs)


class _WatchedModels:
    """Passes models on and remembers which were asked for."""

    def __init__(self, models: ModelSource) -> None:
        self._models = models
        self.loaded: set[str] = set()

    def load(self, role: str) -> Any:
        self.loaded.add(role)
        return self._models.load(role)

    def adapter(self, role: str) -> Any:
        return self._models.adapter(role)

    def provenance(self, roles: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        return self._models.provenance(roles)

    def seconds(self) -> float:
        return self._models.seconds()


class _PeakMemory:
    """Growth of the process's resident memory at its highest, from now on (Linux)."""

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is held now
            self._before: int | None = self._peak()
        except OSError:
            self._before = None

    def growth(self) -> int | None:
        return None if self._before is None else self._peak() - self._before

    @staticmethod
    def _peak() -> int:
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
