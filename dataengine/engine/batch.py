"""A batch: rows on their way through the stages of a worker group, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from dataengine.engine import heavy_columns
from manifests.schema import FRAMES, MASKS, is_heavy

Column: TypeAlias = "pa.Array | np.ndarray[Any, Any] | list[Any]"


class Batch:
    """An immutable set of equally long columns.

    Facts (numbers, text, lists) may be Arrow arrays or NumPy arrays; waveforms and frames are lists
    with one NumPy array (or None) a row, masks lists of `PackedMask`, so that they pass from stage to
    stage by reference.
    Reading a column (`batch["text"]`) gives

    * a NumPy array for a column of numbers or booleans without nulls, and for a column of floats
      with nulls, where null reads as NaN;
    * a list for everything else, with None for null.

    Every method returns a new batch; arrays are shared, so a stage must not write into one.
    """

    __slots__ = ("_columns", "_length")

    def __init__(self, columns: Mapping[str, Column], length: int | None = None) -> None:
        lengths = {name: len(column) for name, column in columns.items()}
        if length is None:
            length = next(iter(lengths.values()), 0)
        wrong = {name: n for name, n in lengths.items() if n != length}
        if wrong:
            raise ValueError(f"columns of a batch of {length} rows have other lengths: {wrong}")
        self._columns = dict(columns)
        self._length = length

    @classmethod
    def from_arrow(cls, table: pa.Table | pa.RecordBatch) -> Batch:
        """The rows of an Arrow table; nothing is converted until a column is read."""
        if isinstance(table, pa.RecordBatch):
            return cls(dict(zip(table.schema.names, table.columns, strict=True)), table.num_rows)
        columns = {name: table.column(name).combine_chunks() for name in table.column_names}
        return cls(columns, table.num_rows)

    @classmethod
    def concat(cls, batches: Sequence[Batch]) -> Batch:
        """Batches one after the other; a column that one of them lacks is null in its rows."""
        batches = [batch for batch in batches if len(batch)] or list(batches[:1])
        if len(batches) == 1:
            return batches[0]
        names = dict.fromkeys(name for batch in batches for name in batch.names)
        columns = {
            name: _join([(batch._columns.get(name), len(batch)) for batch in batches]) for name in names
        }
        return cls(columns, sum(map(len, batches)))

    def __len__(self) -> int:
        return self._length

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order of appearance."""
        return tuple(self._columns)

    def __getitem__(self, name: str) -> Any:
        """A column as NumPy array or list, as the class says. Raises KeyError for an unknown name."""
        if name not in self._columns:
            raise KeyError(f"no column {name!r} in this batch; it has {', '.join(self._columns) or 'none'}")
        column = self._columns[name]
        return _readable(column) if isinstance(column, pa.Array | pa.ChunkedArray) else column

    def raw(self, name: str) -> Column:
        """A column as it is stored."""
        return self._columns[name]

    def with_columns(self, **columns: Column) -> Batch:
        """The same rows with columns added or replaced, each with one value a row."""
        return Batch({**self._columns, **columns}, self._length)

    def select(self, names: Iterable[str]) -> Batch:
        """The same rows with these columns only."""
        return Batch({name: self._columns[name] for name in names}, self._length)

    def without(self, names: Iterable[str]) -> Batch:
        """The same rows without these columns."""
        leave = set(names)
        return Batch({n: c for n, c in self._columns.items() if n not in leave}, self._length)

    def take(self, rows: Sequence[int] | np.ndarray[Any, Any]) -> Batch:
        """The rows at these positions, in this order; a position may come several times."""
        positions = np.asarray(rows, dtype=np.int64)
        return Batch({n: _take(c, positions) for n, c in self._columns.items()}, len(positions))

    def where(self, mask: Sequence[bool] | np.ndarray[Any, Any]) -> Batch:
        """The rows for which `mask` (one boolean a row) is true."""
        chosen = np.asarray(mask, dtype=bool)
        if len(chosen) != self._length:
            raise ValueError(f"a mask of {len(chosen)} values for a batch of {self._length} rows")
        return self if chosen.all() else self.take(np.flatnonzero(chosen))

    def slice(self, start: int, stop: int) -> Batch:
        """Rows `start` to `stop`, without copying."""
        stop = min(stop, self._length)
        columns = {
            n: c.slice(start, stop - start) if isinstance(c, pa.Array | pa.ChunkedArray) else c[start:stop]
            for n, c in self._columns.items()
        }
        return Batch(columns, max(stop - start, 0))

    def expand(self, parents: Sequence[int], **columns: Column) -> Batch:
        """A row for each entry of `parents`: a copy of that row, with the given columns set.

        A stage that proposes candidates calls this; a row that is nobody's parent has no candidates.
        """
        return self.take(parents).with_columns(**columns)

    def reject(self, mask: Sequence[bool] | np.ndarray[Any, Any], criterion: str) -> Batch:
        """Mark the rows where `mask` is true as rejected by `criterion`, the name of a score column.

        The value is the row's own score. Rejected rows stay in the table; unless the row is retained
        for a later selection, its audio goes, and no further stage sees it.
        """
        rejected = np.asarray(mask, dtype=bool)
        before = self["failed_criteria"] if "failed_criteria" in self else [None] * self._length
        kept = self["kept"] if "kept" in self else [None] * self._length
        return self.with_columns(
            failed_criteria=[
                [*(b or []), criterion] if r else (b or []) for b, r in zip(before, rejected, strict=True)
            ],
            kept=[False if r else k for k, r in zip(kept, rejected, strict=True)],
        )

    def to_arrow(self, schema: pa.Schema) -> pa.Table:
        """The columns of `schema`, converted to its types; a column that is missing is null.

        Raises TypeError naming the column whose values do not fit its declared type.
        """
        arrays = []
        for field in schema:
            column = self._columns.get(field.name)
            try:
                arrays.append(_as_arrow(column, field.type, self._length))
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise TypeError(
                    f"column {field.name!r} does not fit its type {field.type}: {error}"
                ) from error
        return pa.Table.from_arrays(arrays, schema=schema)

    def infer_arrow(self) -> pa.Table:
        """All columns, each with the type its values have; waveforms, frames and masks with theirs."""
        arrays = [_with_own_type(column) for column in self._columns.values()]
        return pa.Table.from_arrays(arrays, names=list(self._columns))


def _readable(column: pa.Array | pa.ChunkedArray) -> Any:
    kind = column.type
    if is_heavy(kind):
        return heavy_columns.from_arrow(column)
    if pa.types.is_floating(kind):
        return column.to_numpy(zero_copy_only=False)
    if column.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return column.to_numpy(zero_copy_only=False)
    return column.to_pylist()


def _take(column: Column, positions: np.ndarray[Any, Any]) -> Column:
    if isinstance(column, list):
        return [column[i] for i in positions]
    if isinstance(column, np.ndarray):
        return column[positions]
    return column.take(pa.array(positions))


def _join(pieces: list[tuple[Column | None, int]]) -> Column:
    columns = [column for column, _ in pieces]
    arrow = [column for column in columns if isinstance(column, pa.Array)]
    kinds = {str(column.type): column.type for column in arrow}
    if len(arrow) == len(columns) and len(kinds) == 1 and not any(map(is_heavy, kinds.values())):
        return pa.concat_arrays(arrow)
    plain = [column for column in columns if isinstance(column, np.ndarray)]
    if len(plain) == len(columns):
        return np.concatenate(plain)
    joined: list[Any] = []
    for column, length in pieces:
        if column is None:
            joined.extend([None] * length)
        else:
            joined.extend(_values(column))
    return joined


def _values(column: Column) -> list[Any]:
    """A column row by row; null stays None, and what is heavy as it is."""
    if not isinstance(column, pa.Array):
        return list(column)
    return heavy_columns.from_arrow(column) if is_heavy(column.type) else list(column.to_pylist())


def _as_arrow(column: Column | None, kind: pa.DataType, length: int) -> pa.Array:
    if column is None:
        return pa.nulls(length, kind)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.Array):
        return column if column.type == kind else column.cast(kind)
    if isinstance(column, np.ndarray) and column.dtype.kind == "f":
        return pa.array(column, type=kind, from_pandas=True)  # NaN means: not computed
    return pa.array(column, type=kind, from_pandas=True)


def _with_own_type(column: Column) -> pa.Array:
    if isinstance(column, pa.Array):
        if column.type not in (FRAMES, MASKS):
            return column
        column = heavy_columns.from_arrow(column)  # without the values of rows that are no longer there
    if isinstance(column, list) and (kind := heavy_columns.type_of(column)):
        return heavy_columns.to_arrow(column, kind)
    return pa.array(column)
