"""Choosing the samples that a report lets one listen to: a seeded draw, spread, and the closest calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.engine.database import quoted
from dataengine.report.criteria_checks import applies_in_sql
from dataengine.report.run_directory import CANDIDATE, RunDirectory
from stages.criteria import Criterion

DRAW = "{'draw': md5_number(sample_id || ?), 'sample_id': sample_id}"
"""SQL for a sample's place in a seeded draw; the parameter is the salt."""


@dataclass(frozen=True)
class ExampleGroup:
    """Samples that are shown together."""

    name: str
    title: str
    about: str
    rows: tuple[dict[str, Any], ...]


def choose_examples(run: RunDirectory, count: int, seed: int) -> list[ExampleGroup]:
    """Four groups of at most `count` samples with stored audio; no sample is in two of them."""
    chosen: set[str] = set()

    def fresh(ids: list[str]) -> tuple[dict[str, Any], ...]:
        new = [each for each in ids if each not in chosen][:count]
        chosen.update(new)
        return _load(run, new)

    just_kept = fresh(_closest(run, "kept", count))
    just_rejected = fresh(_closest(run, "NOT kept AND len(failed_criteria) = 1", count))
    kept = fresh(_spread_over_labels(run, seed, 2 * count))
    rejected = fresh(_spread_over_criteria(run, seed, 2 * count))
    return [
        ExampleGroup("kept", "Kept", "Drawn at random, spread over the labels.", kept),
        ExampleGroup(
            "just-kept", "Only just kept", "Passed everything, one criterion by a narrow margin.", just_kept
        ),
        ExampleGroup(
            "just-rejected",
            "Only just rejected",
            "Failed a single criterion, by a narrow margin.",
            just_rejected,
        ),
        ExampleGroup(
            "rejected", "Rejected", "Drawn at random, spread over the criteria they failed.", rejected
        ),
    ]


def _spread_over_labels(run: RunDirectory, seed: int, limit: int) -> list[str]:
    """Kept samples: one of each label, labels in random order, before a second of any."""
    found = run.query(
        f"""
        SELECT pick.sample_id FROM (
            SELECT unnest(picked) AS pick, generate_subscripts(picked, 1) AS turn FROM (
                SELECT min({DRAW}, {limit:d}) AS picked
                FROM samples WHERE {CANDIDATE} AND kept AND shard IS NOT NULL GROUP BY text))
        ORDER BY turn, pick LIMIT {limit:d}
        """,  # noqa: S608
        [_salt(seed)],
    )
    return [sample_id for (sample_id,) in found]


def _spread_over_criteria(run: RunDirectory, seed: int, limit: int) -> list[str]:
    """Rejected samples: one that failed each criterion before a second of any, labels apart where possible."""
    found = run.query(
        f"""
        WITH failures AS (
            SELECT sample_id, text, unnest(failed_criteria) AS criterion
            FROM samples WHERE {CANDIDATE} AND NOT kept AND shard IS NOT NULL),
        by_label AS (
            SELECT criterion, unnest(picked) AS pick, generate_subscripts(picked, 1) AS turn FROM (
                SELECT criterion, min({DRAW}, {limit:d}) AS picked FROM failures GROUP BY criterion, text)),
        by_criterion AS (
            SELECT pick, row_number() OVER (PARTITION BY criterion ORDER BY turn, pick) AS turn FROM by_label)
        SELECT pick.sample_id FROM by_criterion GROUP BY pick ORDER BY min(turn), pick LIMIT {limit:d}
        """,  # noqa: S608
        [_salt(seed)],
    )
    return [sample_id for (sample_id,) in found]


def _closest(run: RunDirectory, condition: str, limit: int) -> list[str]:
    """Samples whose worst criterion lies nearest its threshold; one of each label before a second of any."""
    margins = _margins(run)
    if not margins:
        return []
    found = run.query(
        f"""
        SELECT pick.sample_id FROM (
            SELECT unnest(picked) AS pick, generate_subscripts(picked, 1) AS turn FROM (
                SELECT min({{'distance': abs(margin), 'sample_id': sample_id}}, {limit:d}) AS picked
                FROM (SELECT sample_id, text, kept, least({", ".join(margins)}) AS margin
                      FROM samples WHERE {CANDIDATE} AND shard IS NOT NULL AND {condition})
                WHERE (margin > 0) = kept GROUP BY text))
        ORDER BY turn, pick LIMIT {limit:d}
        """  # noqa: S608
    )
    return [sample_id for (sample_id,) in found]


def _salt(seed: int) -> str:
    return f" {seed}"


def _margins(run: RunDirectory) -> list[str]:
    """SQL for how far each criterion's score lies on the passing side, in standard deviations of the score."""
    if not run.criteria:
        return []
    scores = [quoted(criterion.score) for criterion in run.criteria]
    spreads = ", ".join(f"stddev_samp({score}) FILTER (isfinite({score}))" for score in scores)
    (deviations,) = run.query(f"SELECT {spreads} FROM samples WHERE {CANDIDATE}")  # noqa: S608
    return [
        _margin(criterion, deviation)
        for criterion, deviation in zip(run.criteria, deviations, strict=True)
        if deviation
    ]


def _margin(criterion: Criterion, deviation: float) -> str:
    score = quoted(criterion.score)
    sign = 1.0 if criterion.comparison == "above" else -1.0
    return (
        f"CASE WHEN {applies_in_sql(criterion)} AND isfinite({score}) "
        f"THEN ({score} - {criterion.threshold!r}) * {sign / deviation!r} END"
    )


def _load(run: RunDirectory, ids: Sequence[str]) -> tuple[dict[str, Any], ...]:
    if not ids:
        return ()
    rows = {row["sample_id"]: row for row in run.rows(f"sample_id IN ({', '.join('?' * len(ids))})", ids)}
    return tuple(rows[each] for each in ids)
