"""Comparing what a stage made of the same rows on two occasions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from manifests.masks import PackedMask


def first_difference(expected: Batch, found: Batch, columns: Iterable[str], tolerance: float) -> str | None:
    """The first difference between two batches in words, or None; rows are matched by `sample_id`.

    Numbers may differ by `tolerance`, relative to the larger of them and 1; NaN and null are alike.
    """
    places = {each: row for row, each in enumerate(found["sample_id"])}
    missing = [each for each in expected["sample_id"] if each not in places]
    if missing or len(found) != len(expected):
        return f"other rows: {len(expected)} before, {len(found)} now, {len(missing)} of the earlier ones missing"
    order = [places[each] for each in expected["sample_id"]]
    for name in columns:
        before, now = values_of(expected, name), values_of(found, name)
        distances = [distance(value, now[row]) for value, row in zip(before, order, strict=True)]
        worst = int(np.argmax(distances)) if distances else 0
        if distances and distances[worst] > tolerance:
            return f"{name} was {shown(before[worst])} and is {shown(now[order[worst]])}"
    return None


def values_of(batch: Batch, column: str) -> Sequence[Any]:
    """A column's values one by one; all null where the batch lacks it."""
    if column not in batch:
        return [None] * len(batch)
    values: Sequence[Any] = batch[column]
    return values


def distance(one: Any, other: Any) -> float:
    """How far apart two values are: 0 equal, for numbers relative to the larger and 1, else infinite."""
    if _is_null(one) or _is_null(other):
        return 0.0 if _is_null(one) and _is_null(other) else math.inf
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return _array_distance(one, other)
    if isinstance(one, PackedMask) and isinstance(other, PackedMask):
        return _array_distance(one.unpacked(), other.unpacked())
    if isinstance(one, dict) and isinstance(other, dict):
        return distance([*one, *one.values()], [*other, *other.values()])
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return math.inf
        return max((distance(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, bool | np.bool_ | str | bytes) or isinstance(other, bool | np.bool_ | str | bytes):
        return 0.0 if one == other else math.inf
    return abs(float(one) - float(other)) / max(1.0, abs(float(one)), abs(float(other)))


def shown(value: Any) -> str:
    """A value in a message."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)} of RMS {float(np.sqrt(np.mean(np.square(value, dtype=float)))):.6g}"
    if isinstance(value, PackedMask):
        return f"a mask {list(value.shape)} that covers {value.coverage:.6g}"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def copied(batch: Batch) -> Batch:
    """The same rows in arrays of their own, which may be written into."""
    return Batch({name: _copied(batch.raw(name)) for name in batch.names}, len(batch))


def _copied(column: Any) -> Any:
    if isinstance(column, np.ndarray):
        return column.copy()
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column
    return [deepcopy(value) for value in column]


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and math.isnan(value))


def _array_distance(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    if one.shape != other.shape:
        return math.inf
    scale = np.maximum(1.0, np.maximum(np.abs(one), np.abs(other)))
    return float(np.max(np.abs(one - other) / scale, initial=0.0))
