"""Finding thresholds jointly: boxes in the space of scores, from all rows to the surest few.

This is the patient rule induction method (Friedman & Fisher, "Bump hunting in high-dimensional data",
Statistics and Computing 9, 1999): again and again the worst twentieth of the rows by one of the
scores is peeled off, the slice that holds the largest share of wrong ones. Small steps let every score
have its say, and the path they leave is a choice between purity and yield.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Scores: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

PEELED_SHARE = 0.05
LEAST_ROWS = 10
"""A box with fewer rows is not peeled further."""

OPEN = np.float32(-np.inf)
"""The threshold of a score that does not decide."""


@dataclass(frozen=True)
class Box:
    """Thresholds, shape [scores]: a row is inside if each of its scores is greater than its threshold."""

    thresholds: Scores

    def holds(self, scores: Scores) -> Mask:
        """[rows], whether each row of scores [rows, scores] is inside; NaN is, where nothing is asked."""
        inside: Mask = ((scores > self.thresholds) | (self.thresholds == OPEN)).all(axis=1)
        return inside

    def tightened(self, score: int, threshold: float) -> Box:
        """The box with one other threshold."""
        thresholds = self.thresholds.copy()
        thresholds[score] = threshold
        return Box(thresholds)


@dataclass(frozen=True)
class Step:
    """A box on a path, and what it holds of the rows that the path was found on."""

    box: Box
    rows: int
    right: int


def peel(scores: Scores, right: Mask) -> list[Step]:
    """The path of boxes from one that holds every row to one whose rows are all right, or few.

    `scores` is [rows, scores], greater is better, NaN worst; `right` is [rows]. Each box lies in the one
    before it, up to what pasting adds.
    """
    box = Box(np.full(scores.shape[1], OPEN, dtype=np.float32))
    path = [_step(box, scores, right)]
    while path[-1].right < path[-1].rows and path[-1].rows >= LEAST_ROWS:
        tighter = _peeled_once(box, scores, right)
        if tighter is None:
            break
        box = tighter
        path.append(_step(_pasted(box, scores, right), scores, right))
    return path


def at_yield(path: list[Step], share: float) -> Step:
    """The loosest of the purest: of the steps that hold this share of all right rows, the last."""
    wanted = share * path[0].right
    return next(step for step in reversed(path) if step.right >= wanted)


def _step(box: Box, scores: Scores, right: Mask) -> Step:
    inside = box.holds(scores)
    return Step(box, int(inside.sum()), int(right[inside].sum()))


def _peeled_once(box: Box, scores: Scores, right: Mask) -> Box | None:
    """The box without the slice that holds the largest share of wrong rows; the larger slice of two."""
    inside = np.flatnonzero(box.holds(scores))
    best: tuple[float, int] = (-1.0, 0)
    tighter = None
    for score, threshold in _slices(scores[inside]):
        peeled = ~(scores[inside, score] > threshold)
        merit = (float((~right[inside][peeled]).mean()), int(peeled.sum()))
        if merit > best:
            best, tighter = merit, box.tightened(score, threshold)
    return tighter


def _slices(scores: Scores) -> Iterator[tuple[int, float]]:
    """For each score the threshold that peels off at least a twentieth of the rows, and not all."""
    count = max(1, round(PEELED_SHARE * len(scores)))
    ordered = np.sort(np.where(np.isnan(scores), OPEN, scores), axis=0)
    for score in range(scores.shape[1]):
        values = ordered[:, score]
        above = np.searchsorted(values, values[count - 1], side="right")
        if above < len(values):
            yield score, between(values[above - 1], values[above])


def _pasted(box: Box, scores: Scores, right: Mask) -> Box:
    """The box with each threshold taken back as far as that lets no wrong row in, the last score first."""
    for score in reversed(range(scores.shape[1])):
        if box.thresholds[score] == OPEN:
            continue
        others = box.tightened(score, float(OPEN)).holds(scores)
        values = scores[others & ~(scores[:, score] > box.thresholds[score]), score]
        wrong = scores[others & ~right & ~(scores[:, score] > box.thresholds[score]), score]
        if not len(wrong):
            box = box.tightened(score, float(OPEN))
            continue
        highest = np.max(np.where(np.isnan(wrong), OPEN, wrong))
        inside = values[values > highest]
        if len(inside):
            box = box.tightened(score, between(highest, inside.min()))
    return box


def between(low: float, high: float) -> float:
    """The number with the fewest digits that is at least `low` and less than `high`, in single precision.

    Close to their middle; `low` itself may be −∞.
    """
    if np.isneginf(low):
        low = high - max(abs(high), 1e-3)
    middle = (float(low) + float(high)) / 2
    for digits in range(1, 10):
        rounded = float(f"{middle:.{digits}g}")
        if np.float32(low) <= np.float32(rounded) < np.float32(high):
            return rounded
    return float(low)
