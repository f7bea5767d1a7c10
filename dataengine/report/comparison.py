"""Two runs of the same windows, sample by sample: do they say the same, and where a verdict flipped, why?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from dataengine.engine.database import database, quoted, view_tables
from dataengine.errors import UserError
from dataengine.report.criteria_checks import Check, checks_of
from dataengine.report.histogram import score_columns
from dataengine.report.run_directory import RunDirectory
from dataengine.stage_checks import BATCH_TOLERANCE

SCORE_TOLERANCE = BATCH_TOLERANCE
"""What a score may differ by, relative to itself and 1, between two runs of the same pipeline that were cut into
other batches: models add up in another order then. With `deterministic: true` nothing may differ."""
MOST_FLIPS = 1000
"""Flips of either sort that are told one by one."""
FURTHEST = 2.0
"""What a difference that is relative to the larger of two can come to; infinite ones count as this."""


@dataclass(frozen=True)
class Drift:
    """How far a score is apart in two runs."""

    score: str
    largest: float
    """Difference, relative to the larger of the two and 1."""
    one_sided: int
    """Samples that have the score in one run alone."""


@dataclass(frozen=True)
class Crossing:
    """A criterion that one run's sample passes and the other's fails."""

    criterion: str
    threshold: float
    first: float | None
    """The score in the first run; None: not computed."""
    second: float | None


@dataclass(frozen=True)
class Flip:
    """A sample that one run keeps and the other does not."""

    sample_id: str
    text: str | None
    kept_by_first: bool
    crossings: tuple[Crossing, ...]

    def is_near(self, tolerance: float) -> bool:
        """Whether the scores lie so close to their thresholds that the tolerance explains the flip."""
        return bool(self.crossings) and all(
            score is not None and abs(score - each.threshold) <= tolerance * max(1.0, abs(each.threshold))
            for each in self.crossings
            for score in (each.first, each.second)
        )


@dataclass(frozen=True)
class Comparison:
    """What two runs say of the same samples."""

    samples: int
    """That both have."""
    only_in_first: int
    only_in_second: int
    other_status: int
    """Samples that are done in one run and failed in the other."""
    drifts: tuple[Drift, ...]
    scores_of_one: tuple[str, ...]
    """Scores that only one of the runs has."""
    flips: int
    far: int
    """Flips that the tolerance does not explain."""
    near_flips: tuple[Flip, ...]
    """The first of those that it explains."""
    far_flips: tuple[Flip, ...]
    """The first of the others."""
    tolerance: float

    @property
    def agree(self) -> bool:
        """Whether they say the same, but for scores within the tolerance and the flips that follow from it."""
        apart = self.only_in_first + self.only_in_second + self.other_status + self.far
        close = all(each.largest <= self.tolerance and not each.one_sided for each in self.drifts)
        return not apart and not self.scores_of_one and close

    def as_plain(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {"agree": self.agree, **asdict(self)}


def compare(first: RunDirectory, second: RunDirectory, tolerance: float = SCORE_TOLERANCE) -> Comparison:
    """Hold the samples of two finished runs against each other. Raises UserError where one is not finished."""
    with database() as connection:
        for name, run in (("first", first), ("second", second)):
            if run.results is None:
                raise UserError(
                    "the run is not finished; run its command again first", where=run.storage.root
                )
            view_tables(connection, name, run.storage, run.results.samples)
        connection.execute(
            "CREATE TEMP TABLE ids AS SELECT first.sample_id AS one, second.sample_id AS other FROM first "
            "FULL JOIN second ON first.sample_id = second.sample_id"
        )
        samples, only_in_first, only_in_second = _row(
            connection,
            "count(*) FILTER (one = other), count(*) FILTER (other IS NULL), "
            "count(*) FILTER (one IS NULL) FROM ids",
        )
        (other_status,) = _row(connection, f"count(*) FROM {BOTH} WHERE first.status <> second.status")
        scores, others = score_columns(first), set(score_columns(second))
        near: list[Flip] = []
        far: list[Flip] = []
        flips = far_ones = 0
        for flip in _flips(connection, first):
            is_near = flip.is_near(tolerance)
            flips, far_ones = flips + 1, far_ones + (not is_near)
            told = near if is_near else far
            if len(told) < MOST_FLIPS:
                told.append(flip)
        return Comparison(
            samples=samples,
            only_in_first=only_in_first,
            only_in_second=only_in_second,
            other_status=other_status,
            drifts=tuple(_drift(connection, score) for score in scores if score in others),
            scores_of_one=tuple(sorted(others.symmetric_difference(scores))),
            flips=flips,
            far=far_ones,
            near_flips=tuple(near),
            far_flips=tuple(far),
            tolerance=tolerance,
        )


BOTH = "first JOIN second ON first.sample_id = second.sample_id"
FLIPPED = "first.kept IS DISTINCT FROM second.kept"


def _row(connection: duckdb.DuckDBPyConnection, selected: str) -> tuple[Any, ...]:
    row = connection.execute(f"SELECT {selected}").fetchone()
    assert row is not None
    return row


def _drift(connection: duckdb.DuckDBPyConnection, score: str) -> Drift:
    one, other = (f"CAST({run}.{quoted(score)} AS DOUBLE)" for run in ("first", "second"))
    largest, one_sided = _row(
        connection,
        f"coalesce(max(CASE WHEN {one} = {other} THEN 0 WHEN isfinite({one}) AND isfinite({other}) "
        f"THEN abs({one} - {other}) / greatest(1, abs({one}), abs({other})) ELSE {FURTHEST} END) "
        f"FILTER ({one} IS NOT NULL AND {other} IS NOT NULL), 0), "
        f"count(*) FILTER (({one} IS NULL) <> ({other} IS NULL)) FROM {BOTH}",
    )
    return Drift(score, largest, one_sided)


def _flips(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> Iterator[Flip]:
    """The flipped samples, by id; the criteria are those of the first run."""
    of = f"FROM {BOTH} WHERE {FLIPPED} ORDER BY first.sample_id"
    first, second = (_dicts(connection, f"SELECT {name}.* {of}") for name in ("first", "second"))
    for one, other in zip(first, second, strict=True):
        checks = zip(checks_of(one, run.criteria), checks_of(other, run.criteria), strict=True)
        crossings = tuple(_crossing(a, b) for a, b in checks if a.passed != b.passed)
        yield Flip(one["sample_id"], one["text"], bool(one["kept"]), crossings)


def _crossing(first: Check, second: Check) -> Crossing:
    return Crossing(first.name, first.threshold, first.value, second.value)


def _dicts(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[dict[str, Any]]:
    found = connection.cursor().execute(query)
    names = [column[0] for column in found.description or ()]
    while rows := found.fetchmany(MOST_FLIPS):
        yield from (dict(zip(names, row, strict=True)) for row in rows)
