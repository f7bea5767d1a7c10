"""What a loop's labels came to, round by round, and how they differ from the round before."""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.engine.database import database, quoted, view_tables
from dataengine.errors import UserError
from dataengine.report.histogram import score_columns
from dataengine.report.run_directory import CANDIDATE, RunDirectory

TEXTS = 8
"""Of the labels that were gained and lost, as many different ones are named."""


@dataclass(frozen=True)
class Source:
    """Prompts that came from the same source."""

    name: str
    candidates: int
    kept: int


@dataclass(frozen=True)
class Spread:
    """Of a score over all candidates that have it."""

    low: float
    """The first quartile."""
    median: float
    high: float
    """The third quartile."""


@dataclass(frozen=True)
class LabelFigures:
    """What a labelling run came to."""

    candidates: int
    kept: int
    audio_seconds: float
    """Of all windows."""
    kept_seconds: float
    sources: tuple[Source, ...]
    """The most frequent first."""
    scores: dict[str, Spread]


@dataclass(frozen=True)
class LabelChange:
    """How the labels of one run differ from another's of the same windows."""

    gained: int
    lost: int
    stayed: int
    gained_texts: tuple[tuple[str, int], ...]
    """The most frequent, with their numbers."""
    lost_texts: tuple[tuple[str, int], ...]


def label_figures(run: RunDirectory) -> LabelFigures:
    """Count what a run's table holds."""
    ((candidates, kept, kept_seconds),) = run.query(
        f"""
        SELECT count(*), count(*) FILTER (kept), coalesce(sum(duration) FILTER (kept), 0)
        FROM samples WHERE {CANDIDATE}
        """  # noqa: S608
    )
    ((audio_seconds,),) = run.query(
        "SELECT coalesce(sum(duration), 0) FROM (SELECT any_value(duration) AS duration FROM samples GROUP BY unit_id)"
    )
    sources = run.query(
        f"""
        SELECT coalesce(text_source, '?'), count(*) AS candidates, count(*) FILTER (kept)
        FROM samples WHERE {CANDIDATE} GROUP BY 1 ORDER BY candidates DESC, 1
        """  # noqa: S608
    )
    spreads = {name: _spread(run, name) for name in score_columns(run)}
    return LabelFigures(
        candidates=candidates,
        kept=kept,
        audio_seconds=audio_seconds,
        kept_seconds=kept_seconds,
        sources=tuple(Source(*row) for row in sources),
        scores={name: spread for name, spread in spreads.items() if spread is not None},
    )


def change_between(before: RunDirectory, after: RunDirectory) -> LabelChange:
    """What was kept and is not any more, and the other way round; both runs are finished."""
    with database() as connection:
        for name, run in (("before", before), ("after", after)):
            if run.results is None:
                raise UserError("this run is not finished", where=run.storage.root)
            view_tables(connection, name, run.storage, run.results.samples)

        def only_in(one: str, other: str) -> list[tuple[str, int]]:
            return connection.execute(
                f"""
                SELECT coalesce(text, '') AS text, count(*) AS n FROM {one} WHERE {CANDIDATE} AND kept
                AND sample_id NOT IN (SELECT sample_id FROM {other} WHERE {CANDIDATE} AND kept)
                GROUP BY 1 ORDER BY n DESC, text
                """  # noqa: S608
            ).fetchall()

        gained, lost = only_in("after", "before"), only_in("before", "after")
        (kept,) = connection.execute(
            f"SELECT count(*) FROM after WHERE {CANDIDATE} AND kept"  # noqa: S608
        ).fetchone() or (0,)
    new = sum(count for _, count in gained)
    return LabelChange(
        gained=new,
        lost=sum(count for _, count in lost),
        stayed=kept - new,
        gained_texts=tuple(gained[:TEXTS]),
        lost_texts=tuple(lost[:TEXTS]),
    )


def _spread(run: RunDirectory, score: str) -> Spread | None:
    column = quoted(score)
    ((quartiles,),) = run.query(
        f"SELECT quantile_cont({column}, [0.25, 0.5, 0.75]) FILTER (isfinite({column})) "  # noqa: S608
        f"FROM samples WHERE {CANDIDATE}"
    )
    return Spread(*quartiles) if quartiles else None
