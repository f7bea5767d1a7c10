"""Choosing the thresholds of a filter file jointly, from labelled candidates.

The most right candidates are to be kept subject to a lower confidence bound on the share of right ones
among the kept. Where a criterion has a condition (`when: speech_prompt`), the candidates for which
it holds and the others get thresholds of their own, and each group must keep to the bound by itself: a bound on
all together would hold only for the mix of groups that was labelled. A group that cannot is closed.

For each group a path of ever stricter thresholds is found by peeling (`peeling.py`). How far to go on each
is decided on rows that had no part in finding it: the clips are dealt into ten folds, five times, and the
rows of a fold are judged by thresholds found on those rows that share no clip with it. So the precision that
is claimed is one on unheard clips, with an interval that knows which rows share a clip (`proportion.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from dataengine.errors import UserError
from dataengine.evaluation.labelled import LabelledSamples
from dataengine.evaluation.peeling import OPEN, Box, Scores, at_yield, peel
from dataengine.evaluation.proportion import Clusters, Weights, share
from manifests.identity import seed_of
from stages.criteria import NOT, UNREACHABLE, Criterion, FilterFile, decide

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

FOLDS = 10
REPEATS = 5
YIELDS = tuple(round(0.95 - 0.025 * i, 3) for i in range(38))
"""Shares of the right candidates that a path is asked to keep, 0.95 to 0.025."""
RETAINED_YIELD = 0.9
"""Candidates keep their audio by thresholds that hold this share of the right ones."""


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
    chosen: CurvePoint | None
    """None if nothing of the group is kept, because no thresholds are as precise as was asked."""
    curve: tuple[CurvePoint, ...]
    criteria: tuple[Criterion, ...]
    retain: tuple[Criterion, ...]
    unused: tuple[str, ...]
    """Scores that were offered and decide nothing."""


@dataclass(frozen=True)
class Calibration:
    """A filter file's criteria, and how they were chosen."""

    goal: Goal
    overall: CurvePoint
    """What all groups together give; its `asked` is the yield they give."""
    groups: tuple[Group, ...]
    fixed: tuple[Criterion, ...]
    """Criteria whose thresholds were not to be moved."""

    @property
    def reached(self) -> bool:
        """Whether what is kept is as precise as was asked, in each group that is not closed."""
        kept = [group.chosen for group in self.groups if group.chosen is not None]
        return all(point.bound >= self.goal.precision for point in kept)

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
    seed: int = 0,
) -> Calibration:
    """Choose thresholds for the criteria of `template` that are on one of `scores`; the others stay as they are.

    The template says which scores, in which direction and under which condition. A group that cannot be as
    precise is closed; where none can, the thresholds with the highest bound are chosen. Raises UserError if
    the template has no criterion on a score, or several conditions, and if no candidate is right.
    """
    movable = tuple(criterion for criterion in template.criteria if criterion.score in scores)
    fixed = tuple(criterion for criterion in template.criteria if criterion.score not in scores)
    for score in scores:
        if score not in {criterion.score for criterion in movable}:
            raise UserError(f"no criterion says whether {score!r} must be above or below its threshold")
    if not labelled.right.any():
        raise UserError("no candidate is right: there is nothing to keep")
    evidence = _Evidence(labelled, goal.confidence)
    searches = [
        _Search(
            labelled,
            tuple(_applied(criterion, when) for criterion in movable if criterion.when in (None, when)),
            fixed,
            when,
            seed,
        )
        for when in _conditions(movable)
    ]
    asked = _best_of_each(searches, evidence, goal)
    kept = sum(s.kept_when_unseen(y) for s, y in zip(searches, asked, strict=True) if y is not None)
    overall = evidence.point(0.0, np.asarray(kept))
    groups = tuple(search.group(y, evidence) for search, y in zip(searches, asked, strict=True))
    return Calibration(goal, replace(overall, asked=overall.kept_of_right), groups, fixed)


class _Evidence:
    """What keeping some of the labelled candidates gives."""

    def __init__(self, labelled: LabelledSamples, confidence: float) -> None:
        self._right, self._clusters = labelled.right, Clusters(labelled.clips)
        self._confidence = 2 * confidence - 1  # of the two-sided interval with the same lower end

    def point(self, asked: float, kept: Weights, among: Mask | None = None) -> CurvePoint:
        """`kept` is [rows], 0..1; the yield is of the right ones `among` the rows."""
        found = share(self._right, self._clusters, among=kept, confidence=self._confidence)
        right = self._right if among is None else self._right & among
        of_right = float(kept @ self._right) / max(int(right.sum()), 1)
        return CurvePoint(asked, found.count, found.value, found.low, found.effective, of_right)


def _best_of_each(searches: Sequence[_Search], evidence: _Evidence, goal: Goal) -> tuple[float | None, ...]:
    """The yield to ask of each group: the highest that keeps to the bound, None where no yield does.

    Where no group can, each is asked for the yield with the highest bound.
    """
    curves = [search.curve(evidence) for search in searches]
    if not any(curves):
        raise UserError("no thresholds keep any candidate: the criteria that are fixed reject every one")
    best: list[float | None] = []
    for curve in curves:
        good = [point for point in curve if point.bound >= goal.precision]
        best.append(max(good, key=lambda point: point.kept_of_right).asked if good else None)
    if any(asked is not None for asked in best):
        return tuple(best)
    return tuple(max(curve, key=lambda point: point.bound).asked if curve else None for curve in curves)


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
        seed: int,
    ) -> None:
        columns = {str(name): labelled.samples[name].to_numpy() for name in labelled.samples}
        self._offered, self._when, self._seed = offered, when, seed
        self._concerned = _concerned(columns, when, len(labelled))
        self._rows = labelled.where(self._concerned)
        self._passes_fixed = decide(fixed, columns, len(labelled)).passed[self._concerned]
        self._scores = np.stack([_signed(criterion, self._rows) for criterion in offered], axis=1)
        self._kept = self._decided_unseen()

    def kept_when_unseen(self, asked: float) -> Weights:
        """[labelled candidates], share of the folds each was in whose thresholds keep it."""
        kept = np.zeros(len(self._concerned))
        kept[self._concerned] = self._kept[YIELDS.index(asked)]
        return kept

    def curve(self, evidence: _Evidence) -> tuple[CurvePoint, ...]:
        """What each yield gives on unheard clips, as far as it keeps anything."""
        points = (evidence.point(y, self.kept_when_unseen(y), self._concerned) for y in YIELDS)
        return tuple(point for point in points if point.kept > 0)

    def group(self, asked: float | None, evidence: _Evidence) -> Group:
        """The thresholds, found on all rows, that give this yield."""
        curve = self.curve(evidence)
        path = peel(self._scores[self._passes_fixed], self._rows.right[self._passes_fixed])
        box = at_yield(path, asked or RETAINED_YIELD).box
        return Group(
            when=self._when,
            rows=len(self._rows),
            right=int(self._rows.right.sum()),
            chosen=next((point for point in curve if point.asked == asked), None),
            curve=curve,
            criteria=(_closing(self._offered[0], self._when),) if asked is None else self._criteria(box),
            retain=self._criteria(at_yield(path, RETAINED_YIELD).box),
            unused=tuple(
                criterion.score
                for criterion, threshold in zip(self._offered, box.thresholds, strict=True)
                if threshold == OPEN
            ),
        )

    def _decided_unseen(self) -> Weights:
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
    """A criterion that no candidate passes."""
    name = "nothing reliable" + (f" if {when}" if when else "")
    return Criterion(score=criterion.score, above=UNREACHABLE, when=when, name=name)
