"""Carrying rows over: of a slice that an earlier run has done, only some units are labelled again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.parts import TAKEN_FROM
from dataengine.engine.reuse import EarlierRun, with_stored_audio
from dataengine.engine.slice_work import SliceState, units_of

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

Doubt: TypeAlias = Callable[[Batch], Mask]
"""[rows], true for the rows of an earlier run that could come out otherwise now."""


@dataclass(frozen=True)
class Carrying:
    """What is carried over from an earlier run: units of which no row is in doubt, with all that is known of them."""

    earlier: EarlierRun
    doubt: Doubt

    def state(self, number: int, units: pa.Table) -> SliceState:
        """A slice at its start: the units to label, and the rows that are carried over as they are."""
        start = units_of(units)
        part = self.earlier.part(number, units)
        if part is None:
            return start
        order = {unit: place for place, unit in enumerate(units.column("unit_id").to_pylist())}
        rows = Batch.from_arrow(part)
        rows = rows.with_columns(
            row_order=np.array([order[unit] for unit in rows["unit_id"]]),
            **{TAKEN_FROM: [self.earlier.storage.root] * len(rows)},
        )
        again = {unit for unit, doubted in zip(rows["unit_id"], self.doubt(rows), strict=True) if doubted}
        carried = _of_units(rows, set(order) - again)
        unreadable = [_of_units(each, again) for each in start.settled]
        return SliceState(
            _of_units(start.live, again), [each for each in (*unreadable, carried) if len(each)]
        )


def with_audio(state: SliceState) -> SliceState:
    """The same slice, before it is committed: rows that were carried over have their audio at hand."""
    settled = [with_stored_audio(rows) if TAKEN_FROM in rows else rows for rows in state.settled]
    return replace(state, settled=settled)


def _of_units(rows: Batch, units: set[str]) -> Batch:
    return rows.where([unit in units for unit in rows["unit_id"]])
