"""Tables of a report that count rows: headline figures, labels, failures, licences, models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dataengine.models.roles import ModelCard
from dataengine.report.run_directory import CANDIDATE, RunDirectory

LABELS_SHOWN = 300
FAILURES_SHOWN = 50
LICENCES_SHOWN = 50


@dataclass(frozen=True)
class Headline:
    """A run in one line."""

    recordings: int
    recording_seconds: float
    """Summed over windows."""
    kept_seconds: float
    """Summed over kept samples; a window that gave two samples counts twice."""
    labels_kept: int


@dataclass(frozen=True)
class Label:
    """All candidates with the same prompt."""

    text: str | None
    candidates: int
    kept: int
    kept_seconds: float
    usual_failure: str | None
    """The criterion that rejects most of those that are rejected; of several, the first in a row's list."""


@dataclass(frozen=True)
class Labels:
    """The most frequent labels, and how many there are."""

    shown: tuple[Label, ...]
    total: int


@dataclass(frozen=True)
class Failure:
    """Rows that failed at the same stage with the same type of error."""

    stage: str | None
    error_type: str | None
    count: int
    example: str | None
    """Message of one of them."""
    sample_id: str
    uri: str


@dataclass(frozen=True)
class SourceLicence:
    """Recordings under one licence."""

    licence: str | None
    recordings: int
    units: int
    kept: int


def headline_of(run: RunDirectory) -> Headline:
    """Count what went in and what came out."""
    ((recordings, kept_seconds, labels),) = run.query(
        "SELECT count(DISTINCT recording_id), coalesce(sum(duration) FILTER (kept), 0), "
        "count(DISTINCT text) FILTER (kept) FROM samples"
    )
    ((recording_seconds,),) = run.query(
        "SELECT coalesce(sum(duration), 0) FROM (SELECT any_value(duration) AS duration FROM samples GROUP BY unit_id)"
    )
    return Headline(recordings, recording_seconds, kept_seconds, labels)


def labels_of(run: RunDirectory) -> Labels:
    """The labels with most candidates first."""
    found = run.query(
        f"""
        SELECT text, count(*) AS candidates, count(*) FILTER (kept),
               coalesce(sum(duration) FILTER (kept), 0), mode(failed_criteria[1]) FILTER (NOT kept)
        FROM samples WHERE {CANDIDATE} GROUP BY text ORDER BY candidates DESC, text LIMIT {LABELS_SHOWN}
        """  # noqa: S608
    )
    ((total,),) = run.query(f"SELECT count(DISTINCT coalesce(text, '')) FROM samples WHERE {CANDIDATE}")  # noqa: S608
    return Labels(tuple(Label(*row) for row in found), total)


def failures_of(run: RunDirectory) -> list[Failure]:
    """What failed, the most frequent first."""
    found = run.query(
        f"""
        SELECT stage, error_type, count(*) AS n, arg_min(error, sample_id), min(sample_id), arg_min(uri, sample_id)
        FROM samples WHERE status = 'failed' GROUP BY stage, error_type ORDER BY n DESC, stage LIMIT {FAILURES_SHOWN}
        """  # noqa: S608
    )
    return [Failure(*row) for row in found]


def source_licences_of(run: RunDirectory) -> list[SourceLicence]:
    """Licences of the recordings, as their manifest states them, the most frequent first."""
    found = run.query(
        f"""
        SELECT licence, count(DISTINCT recording_id), count(DISTINCT unit_id) AS units, count(*) FILTER (kept)
        FROM samples GROUP BY licence ORDER BY units DESC, licence LIMIT {LICENCES_SHOWN}
        """  # noqa: S608
    )
    return [SourceLicence(*row) for row in found]


def models_of(run: RunDirectory) -> list[ModelCard]:
    """The models that touched the samples, by role."""
    found = run.query("SELECT DISTINCT models FROM samples WHERE models IS NOT NULL ORDER BY models")
    cards = {_card(role, facts) for (text,) in found for role, facts in json.loads(text).items()}
    return sorted(cards, key=lambda card: (card.role, card.adapter, card.digest))


def _card(role: str, facts: dict[str, Any]) -> ModelCard:
    names = ("adapter", "version", "digest", "licence", "commercial", "source")
    return ModelCard(role=role, **{name: facts[name] for name in names})
