"""Delta labelling: another separator, and only the units labelled again whose verdicts are likely to flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.cascade import CASCADE
from dataengine.engine.batch import Batch
from dataengine.engine.carrying import Carrying, Mask
from dataengine.engine.database import quoted
from dataengine.engine.reuse import EarlierRun, gives_verdicts
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.fork import changed_stages, earlier_facts, with_what_depends_on_them
from dataengine.pipeline import Pipeline
from dataengine.pipeline_changes import in_one_line
from manifests.schema import KIND_UNIT, STATUS_DONE
from stages.criteria import Criterion, FilterFile, decide, single_precision

DEFAULT_MARGIN = 1.0


@dataclass(frozen=True)
class Delta:
    """What a run starts from, and how far scores may move; it stands in `run.json` under `delta_from`."""

    run: str
    """Path or URL of the earlier run."""
    pipeline_digest: str
    stages: tuple[str, ...]
    """Names of the earlier run's stages, in order."""
    redone: tuple[str, ...]
    """Names of the stages that give other answers now."""
    margin: float
    """How far a score may move, in interquartile ranges of that score."""
    reach: dict[str, float]
    """The same in the score's own measure, for each criterion whose score depends on what has changed."""

    @classmethod
    def of(cls, pipeline: Pipeline, place: str | Path, margin: float = DEFAULT_MARGIN) -> Delta:
        """A delta on the run at a path or URL.

        Raises:
            UserError: there is no run, it has other units, other candidates or other criteria, or nothing has
                changed that a criterion depends on.
        """
        facts = earlier_facts(pipeline, place)
        redone = _redone(pipeline, facts["pipeline"], str(place))
        criteria = [each for each in _criteria(pipeline) if _depends(each, pipeline, redone)]
        if not criteria:
            raise UserError(
                "no criterion depends on what has changed, so no verdict can flip; --fork takes over the work",
                where=str(place),
            )
        return cls(
            run=Storage.at(place).root,
            pipeline_digest=facts["pipeline_digest"],
            stages=tuple(stage["stage"] for stage in facts["pipeline"]["stages"]),
            redone=redone,
            margin=margin,
            reach=_reach(str(place), criteria, margin),
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Delta:
        """The delta that `run.json` tells of."""
        lists = {name: tuple(record[name]) for name in ("stages", "redone")}
        return cls(**{**record, **lists})

    def carrying(self, pipeline: Pipeline) -> Carrying:
        """What is carried over, slice by slice."""
        earlier = EarlierRun(Storage.at(self.run), self.pipeline_digest, self.stages)
        return Carrying(earlier, CouldFlip(_criteria(pipeline), self.reach, frozenset(self.redone)))


@dataclass(frozen=True)
class CouldFlip:
    """Tells which rows could get another verdict if no score moves further than its reach.

    A kept candidate could be rejected if a score that may move lies within reach of its threshold. A rejected one
    could be kept if that holds for every criterion it failed. One that failed at a stage which gives other
    answers now could pass.
    """

    criteria: tuple[Criterion, ...]
    reach: Mapping[str, float]
    """How far scores may move, by the name of the criterion; those of other criteria stay."""
    redone: frozenset[str]
    """Stages that give other answers now."""

    def __call__(self, rows: Batch) -> Mask:
        """[rows]"""
        status, kinds = np.array(rows["status"]), np.array(rows["kind"])
        judged = (status == STATUS_DONE) & (kinds != KIND_UNIT)
        columns = {name: rows.raw(name) for criterion in self.criteria for name in criterion.columns}
        failed = decide(self.criteria, columns, len(rows)).failed
        near = np.stack([self._near(each, columns, len(rows)) for each in self.criteria])
        could_be_rejected = near.any(axis=0)
        could_be_kept = (near | ~failed).all(axis=0)
        flips: Mask = judged & np.where(failed.any(axis=0), could_be_kept, could_be_rejected)
        flips |= np.array([stage in self.redone for stage in rows["stage"]], dtype=bool)
        return flips

    def _near(self, criterion: Criterion, columns: Mapping[str, Any], rows: int) -> Mask:
        """[rows], true where the criterion applies and its score may move across the threshold."""
        if criterion.name not in self.reach or criterion.is_closed:
            return np.zeros(rows, dtype=bool)
        applies = criterion.failures({**columns, criterion.score: np.full(rows, np.nan, np.float32)})
        distance = np.abs(single_precision(columns[criterion.score]) - np.float32(criterion.threshold))
        far = (
            distance > self.reach[criterion.name]
        )  # not where the score is missing: it may come out anywhere
        applies &= ~far
        return applies


def _redone(pipeline: Pipeline, earlier: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Names of the stages that have changed or read what such a stage writes. Raises UserError as `Delta.of` does."""
    changes = in_one_line(pipeline.changes_since(earlier))
    if CASCADE in (pipeline.settings.scores, earlier.get("scores")):
        raise UserError("a cascade leaves scores out; both must have `scores: all`", where=where)
    for key in ("seed", "sample_rate"):
        if pipeline.identity[key] != earlier[key]:
            raise UserError(f"all labels may differ, for {key} has changed ({changes})", where=where)
    changed = changed_stages(pipeline, earlier)
    redone = with_what_depends_on_them(pipeline.stages, changed)
    for stage in pipeline.stages:
        if stage.name() in changed and gives_verdicts(stage):
            raise UserError(
                f"stage {stage.name()} has changed, which gives the verdicts ({changes}); take one step at a time: "
                "--fork for other thresholds, then --delta for another model",
                where=where,
            )
        if stage.name() in redone and stage.proposes:
            raise UserError(f"other candidates would be proposed ({changes}); label anew", where=where)
    return tuple(stage.name() for stage in pipeline.stages if stage.name() in redone)


def _criteria(pipeline: Pipeline) -> tuple[Criterion, ...]:
    """The criteria that decide what is kept."""
    for stage in pipeline.stages:
        identity = stage.identity()
        if identity["stage"] == "filter":
            return FilterFile.model_validate(identity["parameters"]).criteria
    raise UserError("verdicts that flip are told by criteria, and the pipeline has no `filter`")


def _depends(criterion: Criterion, pipeline: Pipeline, redone: Sequence[str]) -> bool:
    written = {name for stage in pipeline.stages if stage.name() in redone for name in stage.columns_added()}
    return not criterion.is_closed and bool(written & set(criterion.columns))


def _reach(place: str, criteria: Sequence[Criterion], margin: float) -> dict[str, float]:
    """For each criterion, `margin` interquartile ranges of its score among the candidates that it applies to."""
    from dataengine.report.criteria_checks import applies_in_sql
    from dataengine.report.run_directory import CANDIDATE, RunDirectory

    run = RunDirectory.at(place)
    reach = {}
    for criterion in criteria:
        score = quoted(criterion.score)
        ((low, high),) = run.query(
            f"SELECT quantile_cont({score}, 0.25), quantile_cont({score}, 0.75) FROM samples "  # noqa: S608
            f"WHERE {CANDIDATE} AND isfinite({score}) AND {applies_in_sql(criterion)}"
        )
        reach[criterion.name] = margin * (high - low) if low is not None else 0.0
    return reach
