"""Columns of waveforms, frames and masks: lists of arrays in a process, Arrow between processes.

In a process a value may stand in several rows (candidates of a window share its mixture and its frames): it is
there by reference. Frames and masks cross as Arrow dictionaries, so that each crosses once and is one object again
on the other side; no pixel is copied when they are read there, or when rows are taken or cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.masks import PackedMask
from manifests.schema import ENCODED, FRAMES, MASKS, WAVEFORM


def type_of(values: Sequence[Any]) -> pa.DataType | None:
    """The heavy type of a list with these values, by the first that is not None; None if it is no such list."""
    value = next((each for each in values if each is not None), None)
    if isinstance(value, PackedMask):
        return MASKS
    if isinstance(value, np.ndarray):
        return FRAMES if value.ndim == 4 else ENCODED if value.dtype == np.uint8 else WAVEFORM
    return None


def fault(value: Any, kind: pa.DataType) -> str | None:
    """What keeps a value from standing in a column of a heavy type, in words; None if it may."""
    if kind == MASKS:
        return None if isinstance(value, PackedMask) else f"{_described(value)}, where a PackedMask is due"
    if not isinstance(value, np.ndarray):
        return f"{_described(value)}, where an array is due"
    if kind == WAVEFORM and (value.ndim != 1 or value.dtype.kind != "f"):
        return f"{_described(value)}, where a waveform is due: floating point, one dimension"
    if kind == FRAMES and (value.ndim != 4 or value.shape[3] != 3 or value.dtype != np.uint8):
        return f"{_described(value)}, where frames are due: uint8 [time, height, width, 3]"
    return None


def to_arrow(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """A list of values, None for null, as an array of their heavy type."""
    if kind not in (FRAMES, MASKS):
        return _lists([() if v is None else v for v in values], kind.value_type, [v is None for v in values])
    places: dict[int, int] = {}
    indices = [None if v is None else places.setdefault(id(v), len(places)) for v in values]
    distinct = list({id(v): v for v in values if v is not None}.values())
    arrays = [v.bits if isinstance(v, PackedMask) else v.reshape(-1) for v in distinct]
    shape_type = kind.value_type.field("shape").type
    shapes = np.array([v.shape for v in distinct], np.int32).reshape(-1)
    tensors = pa.StructArray.from_arrays(
        [_lists(arrays, pa.uint8()), pa.FixedSizeListArray.from_arrays(pa.array(shapes), type=shape_type)],
        fields=list(kind.value_type),
    )
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), tensors)


def from_arrow(column: pa.Array) -> list[Any]:
    """A list of the values, None for null, that share the memory of the array."""
    if column.type not in (FRAMES, MASKS):
        return _views(column)
    tensors = column.dictionary
    arrays, shapes = _views(tensors.field("data")), tensors.field("shape").to_pylist()
    values: list[Any] = [
        PackedMask(array, tuple(shape)) if column.type == MASKS else array.reshape(shape)
        for array, shape in zip(arrays, shapes, strict=True)
    ]
    return [None if place is None else values[place] for place in column.indices.to_pylist()]


def _lists(arrays: Sequence[Any], kind: pa.DataType, missing: Sequence[bool] | None = None) -> pa.Array:
    """Flat arrays as one large list each; null where one is missing."""
    offsets = np.concatenate([[0], np.cumsum([len(array) for array in arrays])]).astype(np.int64)
    flat = np.concatenate([np.zeros(0, kind.to_pandas_dtype()), *arrays])
    nulls = None if missing is None else pa.array(missing)
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(flat, kind), mask=nulls)


def _views(column: pa.Array) -> list[Any]:
    """Rows of a column of large lists as arrays that share its memory."""
    flat = column.values.to_numpy(zero_copy_only=True)
    offsets = column.offsets.to_numpy()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    return [flat[a:b] if ok else None for a, b, ok in zip(offsets, offsets[1:], valid, strict=False)]


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"a {type(value).__name__}"
