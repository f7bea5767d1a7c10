"""Filter files: criteria over scores, and their decision over whole columns at once.

The same code decides inside a run and, later and without any model, over a table of all samples.
Scores and thresholds are compared in single precision, the type in which scores are stored, so both
decide alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataengine.errors import UserError
from dataengine.validation import validated
from dataengine.yaml_source import Located, load_located

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
NOT = "not "
UNREACHABLE = 1e30
"""A threshold that no score passes: it closes the filter to the candidates that the criterion applies to."""


class Criterion(BaseModel):
    """A score, a comparison, a threshold, and when it applies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: str = Field(min_length=1)
    """Column of the score."""
    above: float | None = Field(default=None, allow_inf_nan=False)
    """The score must be greater than this."""
    below: float | None = Field(default=None, allow_inf_nan=False)
    """The score must be less than this."""
    when: str | None = Field(default=None, min_length=1)
    """Boolean column that says where the criterion applies; `not column` negates. A null applies."""
    name: str = ""
    """What a failure is called; default: the score's name."""

    @model_validator(mode="before")
    @classmethod
    def _named_after_score(cls, values: Any) -> Any:
        if isinstance(values, dict) and "name" not in values:
            return {**values, "name": values.get("score", "")}
        return values

    @model_validator(mode="after")
    def _one_comparison(self) -> Criterion:
        if (self.above is None) == (self.below is None):
            raise ValueError("give one of `above` and `below`")
        return self

    @property
    def comparison(self) -> Literal["above", "below"]:
        """Which side of the threshold passes."""
        return "below" if self.above is None else "above"

    @property
    def threshold(self) -> float:
        """The value that the score is compared with."""
        return self.below if self.above is None else self.above  # type: ignore[return-value]

    @property
    def is_closed(self) -> bool:
        """Whether no score passes."""
        return self.threshold >= UNREACHABLE if self.above is not None else self.threshold <= -UNREACHABLE

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the decision needs: the score, and the column of `when`."""
        return (self.score,) if self.when is None else (self.score, self.when.removeprefix(NOT).strip())

    def failures(self, columns: Mapping[str, Any]) -> Mask:
        """[rows], true where the criterion applies and the score is null, NaN or on the wrong side."""
        score = single_precision(columns[self.score])
        threshold = np.float32(self.threshold)
        failed: Mask = ~(score > threshold) if self.above is not None else ~(score < threshold)
        if self.when is None:
            return failed
        negated = self.when.startswith(NOT)
        applies = _booleans(columns[self.columns[1]], null=not negated) ^ negated
        return np.logical_and(failed, applies, out=failed)


@dataclass(frozen=True)
class Decision:
    """What criteria say of rows."""

    names: tuple[str, ...]
    """Names of the criteria."""
    failed: np.ndarray[Any, np.dtype[np.bool_]]
    """[criteria, rows], true where a row fails a criterion."""

    @property
    def passed(self) -> Mask:
        """[rows], true where no criterion fails."""
        return ~np.logical_or.reduce(self.failed, axis=0)  # type: ignore[no-any-return]

    def failed_names(self) -> pa.ListArray:
        """For each row the names of all criteria it fails, in the order of the filter file."""
        _, criteria = np.nonzero(np.ascontiguousarray(self.failed.T))
        offsets = np.concatenate([[0], np.cumsum(self.failed.sum(axis=0))]).astype(np.int32)
        return pa.ListArray.from_arrays(offsets, pa.array(self.names, pa.string()).take(pa.array(criteria)))


class FilterFile(BaseModel):
    """A file of `conf/filters/`: which candidates are kept, and which keep their audio for later."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    criteria: tuple[Criterion, ...] = Field(min_length=1)
    """All must pass for a candidate to be kept."""
    retain: tuple[Criterion, ...] = ()
    """A looser list: a candidate that passes all of it keeps its audio, so that it can be selected later."""
    audit_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the rejected candidates that keep their audio whatever their scores, for listening."""
    calibration: dict[str, Any] | None = None
    """Where the thresholds come from, as `dataengine calibrate` wrote it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the decision needs."""
        return tuple(dict.fromkeys(c for criterion in self.all_criteria() for c in criterion.columns))

    def all_criteria(self) -> Iterator[Criterion]:
        """The criteria of both lists."""
        yield from self.criteria
        yield from self.retain

    def identity(self) -> dict[str, Any]:
        """What decides, as plain data: everything but where it came from."""
        return self.model_dump(mode="json", exclude={"calibration"})


def decide(criteria: tuple[Criterion, ...], columns: Mapping[str, Any], rows: int) -> Decision:
    """Hold `rows` rows against criteria.

    Columns are Arrow or NumPy arrays or lists, under their names. Cost: a few nanoseconds a row and
    criterion. Raises KeyError for a column that is missing.
    """
    failed = np.zeros((len(criteria), rows), dtype=bool)
    for i, criterion in enumerate(criteria):
        failed[i] = criterion.failures(columns)
    return Decision(tuple(criterion.name for criterion in criteria), failed)


def load_filter_file(path: str, types: Mapping[str, pa.DataType] | None = None) -> FilterFile:
    """Read and check a filter file; `types` are the types of the columns it may name, where known.

    Raises UserError with file and line.
    """
    located = load_located(path)
    parsed = validated(FilterFile, located, "the filter file")
    for key, criteria in (("criteria", parsed.criteria), ("retain", parsed.retain)):
        _refuse_repeated_names(criteria, located, key)
        for i, criterion in enumerate(criteria):
            _check_types(criterion, types or {}, located.where(key, i))
    return parsed


def _refuse_repeated_names(criteria: tuple[Criterion, ...], located: Located, key: str) -> None:
    seen: set[str] = set()
    for i, criterion in enumerate(criteria):
        if criterion.name in seen:
            raise UserError(
                f"two criteria are called {criterion.name!r}; tell them apart with `name:`",
                where=located.where(key, i),
            )
        seen.add(criterion.name)


def _check_types(criterion: Criterion, types: Mapping[str, pa.DataType], where: str) -> None:
    score, *condition = (types.get(column) for column in criterion.columns)
    if score is not None and not (pa.types.is_floating(score) or pa.types.is_integer(score)):
        raise UserError(f"{criterion.score!r} is no number but {score}", where=where)
    if condition and condition[0] is not None and not pa.types.is_boolean(condition[0]):
        raise UserError(f"{criterion.columns[1]!r} is not true or false but {condition[0]}", where=where)


def single_precision(column: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A column of numbers as float32, with NaN for null."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return column.astype(np.float32, copy=False)
    arrow = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, from_pandas=True)
    numbers = pc.cast(arrow, pa.float32(), safe=False)
    return np.asarray(pc.fill_null(numbers, np.nan))


def _booleans(column: Any, *, null: bool) -> Mask:
    """A column of booleans with a value for null."""
    if isinstance(column, np.ndarray) and column.dtype.kind == "b":
        return column
    arrow = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, pa.bool_())
    return np.asarray(pc.fill_null(arrow, null))
