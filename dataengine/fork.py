"""Forking a run: a new run that takes over from an earlier one what a changed pipeline would do alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.cascade import CASCADE
from dataengine.engine.plan import PLAN_FOLDER, Plan, manifest_digest
from dataengine.engine.reuse import VERDICT, EarlierRun, Reuse, gives_verdicts
from dataengine.engine.stage import Stage
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.pipeline import Pipeline
from dataengine.pipeline_changes import in_one_line
from dataengine.run_files import RUN_FILE
from manifests.schema import is_heavy


@dataclass(frozen=True)
class Fork:
    """Where a run takes work over from; it stands in `run.json` under `forked_from`."""

    run: str
    """Path or URL of the earlier run."""
    pipeline_digest: str
    stages: tuple[str, ...]
    """Names of the earlier run's stages, in order."""
    redone: tuple[str, ...]
    """Names of the stages that are done again."""

    @classmethod
    def of(cls, pipeline: Pipeline, place: str | Path) -> Fork:
        """A fork of the run at a path or URL.

        Raises:
            UserError: there is no run, it has other units, or nothing of it can be taken over.
        """
        facts = earlier_facts(pipeline, place)
        redone = stages_done_again(pipeline, facts["pipeline"], str(place))
        stages = tuple(stage["stage"] for stage in facts["pipeline"]["stages"])
        return cls(Storage.at(place).root, facts["pipeline_digest"], stages, redone)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Fork:
        """The fork that `run.json` tells of."""
        return cls(record["run"], record["pipeline_digest"], tuple(record["stages"]), tuple(record["redone"]))

    def reuse(self, stages: Sequence[Stage]) -> Reuse:
        """What the stages of the run take over, slice by slice."""
        earlier = EarlierRun(Storage.at(self.run), self.pipeline_digest, self.stages)
        return Reuse(earlier, tuple(stages), frozenset(self.redone))


def earlier_facts(pipeline: Pipeline, place: str | Path) -> dict[str, Any]:
    """What the `run.json` of an earlier run of the same units says. Raises UserError if there is no such run."""
    earlier = Storage.at(place)
    if not earlier.exists(RUN_FILE):
        raise UserError(f"not a run directory: it has no {RUN_FILE}", where=str(place))
    facts: dict[str, Any] = json.loads(earlier.read(RUN_FILE))
    if facts["manifest"]["digest"] != manifest_digest(pipeline.input):
        raise UserError(
            f"it was planned from a manifest with other units than {pipeline.input} has; what is taken over are "
            "slices of it, so both must have the same",
            where=str(place),
        )
    return facts


def copied_plan(run: str, storage: Storage) -> Plan:
    """The plan of an earlier run, copied into another, so that both have the same slices."""
    earlier = Storage.at(run)
    for name in earlier.files(PLAN_FOLDER):
        storage.create(name, earlier.read(name))
    facts = json.loads(earlier.read(RUN_FILE))
    manifest = facts["manifest"]
    return Plan(manifest["units"], facts["slices"], facts["slice_units"], manifest["digest"])


def stages_done_again(pipeline: Pipeline, earlier: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Names of the stages that must be done again where a run of another pipeline is taken over.

    Those are the ones that have changed, and the ones that read what such a stage writes. `earlier` is the
    `Pipeline.identity` of the run.

    Raises:
        UserError: one of them needs waveforms, or proposes candidates: nothing could be taken over.
    """
    changes = in_one_line(pipeline.changes_since(earlier))
    if CASCADE in (pipeline.settings.scores, earlier.get("scores")):
        raise UserError(
            "a fork takes over scores, and a cascade leaves some out; both must have `scores: all`",
            where=where,
        )
    for key in sorted({*pipeline.identity, *earlier} - {"stages", "models"}):
        if pipeline.identity.get(key) != earlier.get(key):
            raise UserError(
                f"nothing of it can be taken over, for {key} has changed ({changes})", where=where
            )
    changed = changed_stages(pipeline, earlier)
    if {each["stage"] for each in earlier["stages"]} - {stage.name() for stage in pipeline.stages}:
        # One that is gone may have given verdicts, so those that do give them anew.
        changed |= {stage.name() for stage in pipeline.stages if gives_verdicts(stage)}
    redone = with_what_depends_on_them(pipeline.stages, changed)
    for stage in pipeline.stages:
        if stage.name() in redone and (reason := _reason_against(stage, pipeline.stages)):
            raise UserError(
                f"nothing of it can be taken over: stage {stage.name()} would have to be done again, and it "
                f"{reason} ({changes}); leave --fork out to label anew",
                where=where,
            )
    return tuple(stage.name() for stage in pipeline.stages if stage.name() in redone)


def changed_stages(pipeline: Pipeline, earlier: Mapping[str, Any]) -> set[str]:
    """Names of the stages that are new, or have other parameters, versions or models than they had."""
    before = {each["stage"]: each for each in earlier["stages"]}
    return {
        stage.name()
        for stage in pipeline.stages
        if before.get(stage.name()) != _as_stored(stage.identity())
        or _models_changed(pipeline, stage, earlier["models"])
    }


def _models_changed(pipeline: Pipeline, stage: Stage, before: Mapping[str, Any]) -> bool:
    now = _as_stored(pipeline.identity["models"])
    return any(now[role] != before.get(role) for role in stage.context.models.provenance(stage.roles_used()))


def _as_stored(identity: Any) -> Any:
    """Plain data as it comes back from a file: with lists for tuples."""
    return json.loads(json.dumps(identity))


def with_what_depends_on_them(stages: Sequence[Stage], changed: set[str]) -> set[str]:
    """These stages and all that read what they write; of stages that give verdicts, all or none."""
    redone = set(changed)
    while True:
        written = {name for stage in stages if stage.name() in redone for name in stage.columns_added()}
        if any(stage.name() in redone and _knows_verdicts(stage) for stage in stages):
            written |= set(VERDICT)
        more = {
            stage.name()
            for stage in stages
            if written & set(stage.columns_read()) or (written & set(VERDICT) and gives_verdicts(stage))
        }
        if more <= redone:
            return redone
        redone |= more


def _knows_verdicts(stage: Stage) -> bool:
    return gives_verdicts(stage) or bool(set(VERDICT) & set(stage.columns_read()))


def _reason_against(stage: Stage, stages: Sequence[Stage]) -> str | None:
    """Why a stage cannot be done again on what a table holds; None if it can."""
    names = [each.name() for each in stages]
    place = names.index(stage.name())
    kinds = {name: kind for each in stages for name, kind in each.columns_added().items()}
    if any(each.proposes for each in stages[place:]):
        return "proposes candidates" if stage.proposes else "comes before candidates are proposed"
    heard = [name for name in stage.columns_read() if name in kinds and is_heavy(kinds[name])]
    if heard:
        return f"reads {', '.join(heard)}, which no table holds"
    if any(is_heavy(kind) for kind in stage.columns_added().values()):
        return "writes what no table holds"
    later = {name for each in stages[place:] for name in each.columns_added()} - set(VERDICT)
    overwritten = sorted(later & set(stage.columns_read()))
    return f"reads {', '.join(overwritten)} as it was before a later stage wrote it" if overwritten else None
