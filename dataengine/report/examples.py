"""Choosing the samples that a report lets one listen to: a seeded draw, spread, and the closest calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.report.criteria_checks import applies_in_sql
from dataengine.report.run_directory import CANDIDATE, RunDirectory, quoted
from stages.criteria import Criterion


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
        SELECT sample_id FROM (
            SELECT sample_id, draw, row_number() OVER (PARTITION BY text ORDER BY draw) AS turn FROM (
                SELECT sample_id, text, md5(sample_id || ?) AS draw
                FROM samples WHERE {CANDIDATE} AND kept AND shard IS NOT NULL))
        ORDER BY turn, draw LIMIT {limit:d}
        """,  # noqa: S608
        [f" {seed}"],
    )
    return [sample_id for (sample_id,) in found]


def _spread_over_criteria(run: RunDirectory, seed: int, limit: int) -> list[str]:
    """Rejected samples: one that failed each criterion before a second of any, labels apart where possible."""
    found = run.query(
        f"""
        SELECT sample_id FROM (
            SELECT *, row_number() OVER (PARTITION BY criterion ORDER BY label_turn, draw) AS turn FROM (
                SELECT *, row_number() OVER (PARTITION BY criterion, text ORDER BY draw) AS label_turn FROM (
                    SELECT sample_id, text, unnest(failed_criteria) AS criterion, md5(sample_id || ?) AS draw
                    FROM samples WHERE {CANDIDATE} AND NOT kept AND shard IS NOT NULL)))
        GROUP BY sample_id ORDER BY min(turn), min(draw) LIMIT {limit:d}
        """,  # noqa: S608
        [f" {seed}"],
    )
    return [sample_id for (sample_id,) in found]


def _closest(run: RunDirectory, condition: str, limit: int) -> list[str]:
    """Samples whose worst criterion lies nearest its threshold; one of each label before a second of any."""
    margins = _margins(run)
    if not margins:
        return []
    found = run.query(
        f"""
        SELECT sample_id FROM (
            SELECT sample_id, distance, row_number() OVER (PARTITION BY text ORDER BY distance, sample_id) AS turn
            FROM (SELECT sample_id, text, kept, least({", ".join(margins)}) AS margin, abs(margin) AS distance
                  FROM samples WHERE {CANDIDATE} AND shard IS NOT NULL AND {condition})
            WHERE (margin > 0) = kept)
        ORDER BY turn, distance, sample_id LIMIT {limit:d}
        """  # noqa: S608
    )
    return [sample_id for (sample_id,) in found]


def _margins(run: RunDirectory) -> list[str]:
    """SQL for how far each criterion's score lies on the passing side, in standard deviations of the score."""
    return [margin for criterion in run.criteria if (margin := _margin(run, criterion)) is not None]


def _margin(run: RunDirectory, criterion: Criterion) -> str | None:
    score = quoted(criterion.score)
    ((deviation,),) = run.query(
        f"SELECT stddev_samp({score}) FILTER (isfinite({score})) FROM samples WHERE {CANDIDATE}"  # noqa: S608
    )
    if not deviation:
        return None
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
