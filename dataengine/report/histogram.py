"""Histograms of scores, kept against rejected, ready to be drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from dataengine.engine.database import quoted
from dataengine.report.criteria_checks import applies_in_sql, comparison_sign
from dataengine.report.run_directory import CANDIDATE, RunDirectory
from manifests.schema import LOCATION_FIELDS, PROMPT_FIELDS, PROVENANCE_FIELDS, VERDICT_FIELDS
from stages.criteria import Criterion

BINS = 40
OUTLIERS = 0.001
"""Share of the values at either end that the outermost bars take in."""


@dataclass(frozen=True)
class Threshold:
    """A line in a histogram."""

    name: str
    value: float
    comparison: str
    """`>` or `<`: the side that passes."""


@dataclass(frozen=True)
class Histogram:
    """Candidates by one score; bar `i` counts those from `edges[i]` to `edges[i + 1]`."""

    score: str
    when: str | None
    """The condition on which the score is asked for; other candidates are not counted."""
    thresholds: tuple[Threshold, ...]
    edges: tuple[float, ...]
    kept: tuple[int, ...]
    rejected: tuple[int, ...]
    missing: int
    """Candidates whose score was not computed."""

    @property
    def highest(self) -> int:
        """Candidates in the highest bar."""
        return max(k + r for k, r in zip(self.kept, self.rejected, strict=True))


def histograms_of(run: RunDirectory) -> list[Histogram]:
    """A histogram for every score of a run: those that the filter asks for in its order, then the others."""
    asked: dict[tuple[str, str | None], list[Criterion]] = {}
    for criterion in run.criteria:
        asked.setdefault((criterion.score, criterion.when), []).append(criterion)
    others = [name for name in score_columns(run) if name not in {score for score, _ in asked}]
    found = [
        *(_histogram(run, score, when, criteria) for (score, when), criteria in asked.items()),
        *(_histogram(run, score, None, ()) for score in others),
    ]
    return [histogram for histogram in found if histogram is not None]


def score_columns(run: RunDirectory) -> list[str]:
    """Columns of floating-point numbers that stages have added to what the manifest and the contract hold."""
    fields = (*PROMPT_FIELDS, *VERDICT_FIELDS, *LOCATION_FIELDS, *PROVENANCE_FIELDS)
    given = run.manifest_columns | {field.name for field in fields}
    return [name for name, kind in run.columns.items() if pa.types.is_floating(kind) and name not in given]


def _histogram(
    run: RunDirectory, score: str, when: str | None, criteria: Sequence[Criterion]
) -> Histogram | None:
    """None if no candidate has the score."""
    column = quoted(score)
    condition = f"{CANDIDATE} AND {applies_in_sql(criteria[0])}" if criteria else CANDIDATE
    known = f"{column} IS NOT NULL AND NOT isnan({column})"
    thresholds = tuple(
        Threshold(c.name, c.threshold, comparison_sign(c)) for c in criteria if not c.is_closed
    )
    ((number, missing, quantiles, lowest, highest),) = run.query(
        f"""
        SELECT count(*) FILTER ({known}), count(*) FILTER (NOT ({known})),
               approx_quantile({column}, [{OUTLIERS}, {1 - OUTLIERS}]) FILTER (isfinite({column})),
               min({column}) FILTER (isfinite({column})), max({column}) FILTER (isfinite({column}))
        FROM samples WHERE {condition}
        """  # noqa: S608
    )
    if not number:
        return None
    # The sketch of quantiles may overshoot the values it has seen.
    ends = [min(max(value, lowest), highest) for value in quantiles or []]
    edges = even_edges([*ends, *(threshold.value for threshold in thresholds)])
    low, width = edges[0], edges[1] - edges[0]
    counts = run.query(
        f"""
        SELECT kept, greatest(0, least({BINS - 1}, floor(({column} - ?) / ?)))::INTEGER AS bin, count(*)
        FROM samples WHERE {condition} AND {known} GROUP BY ALL
        """,  # noqa: S608
        [low, width],
    )
    kept, rejected = [0] * BINS, [0] * BINS
    for is_kept, place, count in counts:
        (kept if is_kept else rejected)[place] = count
    return Histogram(score, when, thresholds, edges, tuple(kept), tuple(rejected), missing)


def even_edges(values: Sequence[float]) -> tuple[float, ...]:
    """`BINS + 1` evenly spaced edges that hold all values, with a little air at both ends."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    air = (high - low) * 0.02 or max(abs(low), 1.0) * 0.05
    low, high = low - air, high + air
    return tuple(low + (high - low) * i / BINS for i in range(BINS + 1))


def round_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` round numbers (1, 2 or 5 times a power of ten apart) between two values."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda each: abs(each - rough))
    first = math.ceil(low / step)
    return [round(k * step, 12) for k in range(first, math.floor(high / step) + 1)]
