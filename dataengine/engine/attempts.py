"""Further attempts at units that failed: planned as slices of their own, behind the first ones.

An attempt begins a new file of the plan, so the numbers of its slices go on where a multiple of
`SLICES_A_FILE` is next; the plan of the first slices stays as it was. Its record is created last:
files of the plan that no record claims are what a killed driver left, and are written anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.engine.lease import LeaseLostError
from dataengine.engine.plan import PLAN_FOLDER, SLICES_A_FILE, Plan, plan_file, plan_schema, write_slices
from dataengine.engine.regroup import even_tables
from dataengine.engine.storage import Storage


@dataclass(frozen=True)
class Attempt:
    """Slices that do again what failed before."""

    number: int
    """From 1."""
    first_slice: int
    slices: int
    units: int
    created: float
    """Unix time."""

    @property
    def end(self) -> int:
        """The number behind its last slice."""
        return self.first_slice + self.slices

    @property
    def numbers(self) -> np.ndarray[Any, Any]:
        """Numbers of its slices."""
        return np.arange(self.first_slice, self.end)


def attempts_of(storage: Storage) -> list[Attempt]:
    """The attempts that were planned, in order."""
    return [Attempt(**json.loads(storage.read(name))) for name in storage.files(PLAN_FOLDER, ".json")]


def planned_slices(slices: int, attempts: list[Attempt]) -> np.ndarray[Any, Any]:
    """Numbers of the first `slices` slices and of those of all attempts."""
    first = np.arange(slices)
    return np.concatenate([first, *(attempt.numbers for attempt in attempts)])


def plan_attempt(storage: Storage, plan: Plan, unit_ids: pa.Array, check: Callable[[], None]) -> Attempt:
    """Plan these units of the run once more, in the order of the plan.

    Raises:
        LeaseLostError: another driver plans, too.
    """
    earlier = attempts_of(storage)
    behind = earlier[-1].end if earlier else plan.slices
    first_file = -(-behind // SLICES_A_FILE)
    check()
    for name in list(storage.files(PLAN_FOLDER, ".parquet")):
        if name >= plan_file(first_file):
            storage.remove(name)
    slices = even_tables(_planned_units(storage, plan, unit_ids), plan.slice_units)
    write_slices(storage, first_file, plan_schema(storage), slices)
    check()
    attempt = Attempt(
        number=len(earlier) + 1,
        first_slice=first_file * SLICES_A_FILE,
        slices=-(-len(unit_ids) // plan.slice_units),
        units=len(unit_ids),
        created=time.time(),
    )
    record = f"{PLAN_FOLDER}/attempt-{attempt.number:05d}.json"
    if not storage.create(record, json.dumps(asdict(attempt)).encode()):
        raise LeaseLostError(f"another process has planned attempt {attempt.number} of {storage.root}")
    return attempt


def _planned_units(storage: Storage, plan: Plan, unit_ids: pa.Array) -> Iterator[pa.Table]:
    for number in range(-(-plan.slices // SLICES_A_FILE)):
        with storage.open(plan_file(number)) as file:
            table = pq.read_table(file)
        yield table.filter(pc.is_in(table.column("unit_id"), unit_ids))
