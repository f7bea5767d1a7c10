"""Choosing the thresholds of a filter file jointly, from labelled candidates.

The most right candidates are to be kept subject to a lower confidence bound on the share of right ones
among the kept. Where a criterion has a condition (`when: speech_prompt`), the candidates for which
it holds and the others get thresholds of their own.

A path of ever stricter thresholds is found by peeling (`peeling.py`). How far to go on it is decided on rows
that had no part in finding it: the clips are dealt into ten folds, five times, and the rows of a fold are
judged by thresholds found on those rows that share no clip with it. So the precision that is claimed is
one on unheard clips, with an interval that knows which rows share a clip (`proportion.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from dataengine.errors import UserError
from dataengine.evaluation.labelled import LabelledSamples
from dataengine.evaluation.peeling import OPEN, Box, Scores, at_yield, peel
from dataengine.evaluation.proportion import Clusters, Weights, share
from manifests.identity import seed_of
from stages.criteria import NOT, Criterion, FilterFile, decide

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

FOLDS = 10
REPEATS = 5
YIELDS = tuple(round(0.95 - 0.025 * i, 3) for i in range(38))
"""Shares of the right candidates that a path is asked to keep, 0.95 to 0.025."""
RETAINED_YIELD = 0.9
"""Candidates keep their audio by thresholds that hold this share of the right ones."""
UNREACHABLE = 1e30
"""A threshold that no score passes."""


@dataclass(frozen=True)
class Goal:
    """What the kept candidates must satisfy."""

    precision: float = 0.9
    """0..1, least share of right ones among the kept."""
    confidence: float = 0.95
    """0..1, of the one-sided lower bound on it."""


@dataclass(frozen=True)
class CurvePoint:
    """What a strictness gives on candidates that had no part in choosing the thresholds."""

    asked: float
    """Share of the right candidates that the thresholds keep of those they were found on."""
    kept: float
    precision: float
    bound: float
    """Lower confidence bound of the precision."""
    effective: float
    """Independent candidates that would say as much about the precision as the kept ones do."""
    kept_of_right: float
    """The yield: share of the right candidates that are kept."""


@dataclass(frozen=True)
class Group:
    """The thresholds for the candidates of one condition, and how they were chosen."""

    when: str | None
    """`column` or `not column`; None if the filter file has no condition."""
    rows: int
    right: int
    reached: bool
    """Whether the bound on the precision is as high as asked."""
    closed: bool
    """Whether nothing of the group is kept, since it was not reached."""
    chosen: CurvePoint
    curve: tuple[CurvePoint, ...]
    criteria: tuple[Criterion, ...]
    retain: tuple[Criterion, ...]
    unused: tuple[str, ...]
    """Scores that were offered and decide nothing."""


@dataclass(frozen=True)
class Calibration:
    """A filter file's criteria, and how they were chosen."""

    goal: Goal
    groups: tuple[Group, ...]
    fixed: tuple[Criterion, ...]
    """Criteria whose thresholds were not to be moved."""

    @property
    def reached(self) -> bool:
        """Whether every group is as precise as was asked."""
        return all(group.reached for group in self.groups)

    def filter_file(self, audit_share: float, provenance: dict[str, Any]) -> FilterFile:
        """The filter file to write."""
        return FilterFile(
            criteria=(*(c for group in self.groups for c in group.criteria), *self.fixed),
            retain=(*(c for group in self.groups for c in group.retain), *self.fixed),
            audit_share=audit_share,
            calibration=provenance,
        )


def calibrate(
    labelled: LabelledSamples,
    template: FilterFile,
    scores: Sequence[str],
    goal: Goal,
    *,
    reject_unreached: bool = False,
    seed: int = 0,
) -> Calibration:
    """Choose thresholds for the criteria of `template` that are on one of `scores`; the others stay as they are.

    The template says which scores, in which direction and under which condition. Where the precision cannot
    be reached, the thresholds with the highest bound are chosen, or with `reject_unreached` none that
    keep anything. Raises UserError if the template has no criterion on a score, or several conditions.
    """
    movable = tuple(criterion for criterion in template.criteria if criterion.score in scores)
    fixed = tuple(criterion for criterion in template.criteria if criterion.score not in scores)
    for score in scores:
        if score not in {criterion.score for criterion in movable}:
            raise UserError(f"no criterion says whether {score!r} must be above or below its threshold")
    groups = []
    for when in _conditions(movable):
        offered = tuple(_applied(criterion, when) for criterion in movable if criterion.when in (None, when))
        groups.append(_Search(labelled, offered, fixed, when, goal, seed).group(reject_unreached))
    return Calibration(goal, tuple(groups), fixed)


def _conditions(criteria: Sequence[Criterion]) -> tuple[str | None, ...]:
    columns = {c.when.removeprefix(NOT).strip() for c in criteria if c.when is not None}
    if len(columns) > 1:
        raise UserError(
            f"thresholds can be chosen under one condition at a time, not {' and '.join(sorted(columns))}"
        )
    return tuple(f"{prefix}{column}" for column in columns for prefix in ("", NOT)) or (None,)


def _applied(criterion: Criterion, when: str | None) -> Criterion:
    """The criterion under a condition; one that had none before is named after it."""
    if criterion.when == when:
        return criterion
    return criterion.model_copy(update={"when": when, "name": f"{criterion.name} if {when}"})


class _Search:
    """The candidates of one condition and the criteria to choose thresholds for."""

    def __init__(
        self,
        labelled: LabelledSamples,
        offered: tuple[Criterion, ...],
        fixed: tuple[Criterion, ...],
        when: str | None,
        goal: Goal,
        seed: int,
    ) -> None:
        columns = {str(name): labelled.samples[name].to_numpy() for name in labelled.samples}
        concerned = _concerned(columns, when, len(labelled))
        self._offered, self._when, self._goal, self._seed = offered, when, goal, seed
        self._rows = labelled.where(concerned)
        self._passes_fixed = decide(fixed, columns, len(labelled)).passed[concerned]
        self._scores = np.stack([_signed(criterion, self._rows) for criterion in offered], axis=1)
        self._clusters = Clusters(self._rows.clips)

    def group(self, reject_unreached: bool) -> Group:
        if not self._rows.right.any():
            raise UserError(
                f"no candidate is right{f' where {self._when}' if self._when else ''}: nothing to keep"
            )
        curve = tuple(self._curve())
        good = [point for point in curve if point.bound >= self._goal.precision]
        chosen = (
            max(good, key=lambda point: point.kept_of_right) if good else max(curve, key=lambda p: p.bound)
        )
        closed = reject_unreached and not good
        path = peel(self._scores[self._passes_fixed], self._rows.right[self._passes_fixed])
        box = at_yield(path, chosen.asked).box
        return Group(
            when=self._when,
            rows=len(self._rows),
            right=int(self._rows.right.sum()),
            reached=bool(good),
            closed=closed,
            chosen=chosen,
            curve=curve,
            criteria=(_closing(self._offered[0], self._when),) if closed else self._criteria(box),
            retain=self._criteria(at_yield(path, RETAINED_YIELD).box),
            unused=tuple(
                criterion.score
                for criterion, threshold in zip(self._offered, box.thresholds, strict=True)
                if threshold == OPEN
            ),
        )

    def _curve(self) -> Iterator[CurvePoint]:
        right = self._rows.right
        for asked, kept in zip(YIELDS, self._kept_when_unseen(), strict=True):
            found = share(right, self._clusters, among=kept, confidence=2 * self._goal.confidence - 1)
            if found.count > 0:
                of_right = float(kept @ right) / float(right.sum())
                yield CurvePoint(asked, found.count, found.value, found.low, found.effective, of_right)

    def _kept_when_unseen(self) -> Weights:
        """[yields, rows], share of the folds a row was in whose thresholds keep it."""
        kept = np.zeros((len(YIELDS), len(self._rows)))
        judged = np.zeros(len(self._rows))
        for unseen in self._folds():
            seen = ~unseen & self._passes_fixed
            if not self._rows.right[seen].any():
                continue
            path = peel(self._scores[seen], self._rows.right[seen])
            judged += unseen
            for row, asked in zip(kept, YIELDS, strict=True):
                row += unseen & self._passes_fixed & at_yield(path, asked).box.holds(self._scores)
        return kept / np.maximum(judged, 1)

    def _folds(self) -> Iterator[Mask]:
        """For each fold the rows that have a clip in it; every clip is in one fold of each deal."""
        for repeat in range(REPEATS):
            deal = {
                clip: seed_of(self._seed, "fold", str(repeat), clip) % FOLDS
                for clips in self._rows.clips
                for clip in clips
            }
            folds = [{deal[clip] for clip in clips} for clips in self._rows.clips]
            for fold in range(FOLDS):
                unseen = np.array([fold in of_row for of_row in folds], dtype=bool)
                if unseen.any():
                    yield unseen

    def _criteria(self, box: Box) -> tuple[Criterion, ...]:
        return tuple(
            _moved(criterion, float(threshold))
            for criterion, threshold in zip(self._offered, box.thresholds, strict=True)
            if threshold != OPEN
        )


def _concerned(columns: dict[str, Any], when: str | None, rows: int) -> Mask:
    """[rows], where the condition holds; a null counts for neither side."""
    if when is None:
        return np.ones(rows, dtype=bool)
    wanted = not when.startswith(NOT)
    return np.array(
        [value is not None and value == wanted for value in columns[when.removeprefix(NOT).strip()]]
    )


def _signed(criterion: Criterion, rows: LabelledSamples) -> Scores:
    """[rows], the score, or its negative where less is better."""
    values = rows.samples[criterion.score].to_numpy(dtype=np.float32, na_value=np.nan)
    return values if criterion.comparison == "above" else -values


def _moved(criterion: Criterion, threshold: float) -> Criterion:
    """The criterion with the threshold that a box has on its side."""
    number = float(f"{threshold:.7g}")  # single precision has no more digits
    update = {"above": number} if criterion.comparison == "above" else {"below": -number}
    return criterion.model_copy(update=update)


def _closing(criterion: Criterion, when: str | None) -> Criterion:
    """A criterion that nothing passes."""
    name = "no reliable thresholds" + (f" if {when}" if when else "")
    return Criterion(score=criterion.score, above=UNREACHABLE, when=when, name=name)
