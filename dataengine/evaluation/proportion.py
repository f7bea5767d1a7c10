"""Shares of things that are not independent, with intervals.

Candidates of two scenes that are made of the same clip are right or wrong together more often than
others, so a hundred of them say less than a hundred independent ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
Weights: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


@dataclass(frozen=True)
class Share:
    """A share with its interval."""

    value: float
    """0..1; NaN of nothing."""
    low: float
    high: float
    count: float
    """How many things it is a share of."""
    effective: float
    """How many independent things would say as much."""


class Clusters:
    """Which rows belong together: those that share a clip, directly.

    A row may have several clips, and clips tie rows together that have nothing else in common, so rows do
    not fall into separate groups. `clips` gives the clips of each row.
    """

    def __init__(self, clips: Sequence[Iterable[str]]) -> None:
        rows_of: dict[str, list[int]] = {}
        for row, names in enumerate(clips):
            for clip in set(names):
                rows_of.setdefault(clip, []).append(row)
        related = [
            sorted({row}.union(*(rows_of[clip] for clip in set(names)))) for row, names in enumerate(clips)
        ]
        self._starts = np.cumsum([0, *map(len, related[:-1])]) if related else np.zeros(0, np.int64)
        self._related = np.array([row for rows in related for row in rows], dtype=np.int64)

    def variance(self, deviations: Weights) -> float:
        """Variance of the sum of deviations from the mean, one a row, if those of related rows correlate.

        It is the sum of the products of the deviations of all related pairs (Fafchamps & Gubert, "The
        formation of risk sharing networks", J. Development Economics 83, 2007; one-way clustering where
        every row has one clip), and not less than that of independent rows.
        """
        independent = float(deviations @ deviations)
        return max(independent, float(deviations @ self._sums(deviations)))

    def _sums(self, values: Weights) -> Weights:
        """[rows], sum of the values of each row and all that are related to it."""
        sums: Weights = np.add.reduceat(values[self._related], self._starts)
        return sums


def share(
    right: Mask, clusters: Clusters, *, among: Mask | Weights | None = None, confidence: float = 0.95
) -> Share:
    """Share of the rows, shape [rows], that are right, with a two-sided interval.

    `among` chooses rows, or weighs them 0..1. The interval is Wilson's (1927) for as many independent rows
    as give the variance of the share that `clusters` find. Its lower end alone is a bound at confidence
    (1 + `confidence`) / 2.
    """
    weights = np.ones(len(right)) if among is None else np.asarray(among, dtype=np.float64)
    total = float(weights.sum())
    if not total:
        return Share(math.nan, 0.0, 1.0, 0.0, 0.0)
    value = float(weights @ right) / total
    effective = _effective(value, total, weights * (right - value), clusters)
    low, high = wilson_interval(value, effective, confidence)
    return Share(value, low, high, total, effective)


def _effective(value: float, total: float, deviations: Weights, clusters: Clusters) -> float:
    """Independent rows that would give the share's variance; `total` where all rows agree."""
    spread = value * (1 - value)
    variance = clusters.variance(deviations) / total**2
    return min(total, spread / variance) if spread > 0 and variance > 0 else total


def wilson_interval(value: float, count: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share `value` of `count` independent things, two-sided."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (value + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(value * (1 - value) / count + (z / (2 * count)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)
