"""Means and medians of figures that are not independent, with intervals by a bootstrap over clips.

What is measured on two scenes that share a clip is high or low together, so clips are drawn and not rows. Each
draw gives every clip a weight, and a row the product of its clips' weights (the reweighted bootstrap of
Owen & Eckles, "Bootstrapping data arrays of arbitrary order", Annals of Applied Statistics 6, 2012, with
exponential weights): it needs no groups that clips would separate rows into, and no draw is empty. Where rows vary
for reasons that no clip explains, intervals are somewhat too wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from manifests.identity import seed_of

Values: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

DRAWS = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its two-sided interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """What some figures come to."""

    rows: int
    clips: int
    """How many different ones the rows hold: few clips, and no interval means much."""
    mean: Estimate
    median: Estimate


class ClipBootstrap:
    """The draws for rows whose clips are known; a clip's weights are the same whichever rows it is in."""

    def __init__(self, clips: Sequence[Iterable[str]], *, draws: int = DRAWS, seed: int = 0) -> None:
        """`clips` gives the clips of each row; a row without any stands for itself."""
        of_row = [sorted(set(names)) or [f"row {row}"] for row, names in enumerate(clips)]
        names = sorted({name for names in of_row for name in names})
        place = {name: i for i, name in enumerate(names)}
        holds = np.zeros((len(names), len(of_row)))
        for row, own in enumerate(of_row):
            holds[[place[name] for name in own], row] = 1
        logarithms = [np.log(_weights(name, draws, seed)) for name in names]
        self._weights: Values = (
            np.exp(np.stack(logarithms, axis=1) @ holds) if names else np.zeros((draws, 0))
        )
        self.clips = len(names)

    def summary(self, values: Values) -> Summary:
        """Mean and median of the values, shape [rows], at least one and none of them NaN."""
        if values.shape != self._weights.shape[1:] or not len(values):
            raise ValueError(f"{values.shape} values for {self._weights.shape[1]} rows")
        order = np.argsort(values)
        reached = np.cumsum(self._weights[:, order], axis=1)
        middle = (reached < reached[:, -1:] / 2).sum(axis=1)
        return Summary(
            rows=len(values),
            clips=self.clips,
            mean=_estimate(float(values.mean()), (self._weights @ values) / reached[:, -1]),
            median=_estimate(float(np.median(values)), values[order][middle]),
        )


def _weights(clip: str, draws: int, seed: int) -> Values:
    """[draws], of mean 1."""
    return np.random.default_rng(seed_of(seed, "clip", clip)).exponential(size=draws)


def _estimate(value: float, drawn: Values) -> Estimate:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))
