"""The pipeline file: loaded, overridden, and checked whole before anything starts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator

from dataengine.cascade import CASCADE, cheapest_order, screens_of
from dataengine.engine.grouping import WorkerGroup, group_stages
from dataengine.engine.settings import EngineSettings, PackSettings, StageNeeds
from dataengine.engine.stage import Resources, Stage, StageContext
from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.pipeline_changes import changes
from dataengine.pipeline_file import read_pipeline_file
from dataengine.stage_catalogue import StageCatalogue
from dataengine.stage_columns import (
    check_adds,
    check_fingerprints,
    check_manifest,
    check_reads,
    columns_at_start,
    sample_schema,
)
from dataengine.validation import validated
from dataengine.yaml_source import Located, dump_yaml
from manifests.identity import stable_hash
from manifests.tables import open_table
from stages.filter import Filter
from stages.screen import Screen


class CascadeSettings(BaseModel):
    """The `cascade:` section: in which order scores are computed where `scores` is `cascade`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measured: str | None = None
    """A run whose scores and seconds tell the order of cost per rejection; default: the order of `stages`."""


class PipelineSettings(BaseModel):
    """What a pipeline file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: str | None = None
    """The manifest: a Parquet file; its path is relative to where the command is run."""
    profile: str = "embedded"
    """Name of a profile, or path to a profile file."""
    seed: int = Field(default=0, ge=0)
    """Seed of every random draw of the run."""
    deterministic: bool = False
    """Work in micro-batches that never change, so that two runs agree to the byte."""
    stages: dict[str, dict[str, Any] | None]
    """Names of the stages, in order, with their parameters."""
    scores: Literal["all", "cascade"] = "all"
    """Whether every candidate gets every score, or none that cannot change what becomes of it."""
    cascade: CascadeSettings = CascadeSettings()
    pack: PackSettings = PackSettings()
    engine: EngineSettings = EngineSettings()

    @field_validator("stages")
    @classmethod
    def _at_least_one(cls, stages: dict[str, Any]) -> dict[str, Any]:
        if not stages:
            raise ValueError("there must be at least one")
        return stages

    @field_validator("cascade", "pack", "engine", mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        return {} if value is None else value


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that was checked: everything it names exists and its columns fit together.

    Its stages are bound to the profile's models and may be sent to workers; no model is loaded yet.
    """

    settings: PipelineSettings
    profile: Profile
    stages: tuple[Stage, ...]
    stage_sources: tuple[str, ...] = ()

    @classmethod
    def load(
        cls, path: str | Path, overrides: Sequence[str] = (), stage_sources: Sequence[str] = ()
    ) -> Pipeline:
        """Load the pipeline file at `path`.

        `overrides` are `key=value` with dots between keys (`stages.caption.max_prompts=2`), their values
        YAML. `stage_sources` are Python files or modules whose stages the pipeline may name.
        Raises UserError, with file and line, for the first thing that is wrong.
        """
        return cls.of(read_pipeline_file(path, overrides), stage_sources)

    @classmethod
    def of(cls, written: Located, stage_sources: Sequence[str] = ()) -> Pipeline:
        """Check a pipeline that `read_pipeline_file` has read. Raises UserError as `load` does."""
        settings = validated(PipelineSettings, written, "the pipeline")
        catalogue = StageCatalogue(stage_sources)
        with _located(written.where("profile")):
            profile = Profile.load(settings.profile)
        stages = tuple(_build(catalogue, name, written) for name in settings.stages)
        pipeline = cls(settings, profile, stages, tuple(stage_sources))
        pipeline._bind(catalogue, _manifest_schema(settings.input, written), written)
        if settings.scores == CASCADE:
            pipeline = pipeline._as_cascade(catalogue, written)
        with _located(written.where("engine", "groups")):
            _ = pipeline.worker_groups
        with _located(written.where("engine", "resources")):
            pipeline._check_resources()
        return pipeline

    @property
    def worker_groups(self) -> list[WorkerGroup]:
        """The stages as they share workers."""
        needs = {stage.name(): self._needs(stage) for stage in self.stages}
        pythons = {stage.name(): python for stage in self.stages if (python := self._python(stage))}
        return group_stages(self.stages, self.engine.groups, needs, pythons)

    def _python(self, stage: Stage) -> str | None:
        """The interpreter of the environment in which the stage's models run; None: that of the command."""
        pythons = {role: self.profile.python(role) for role in stage.roles_used()}
        if len(set(pythons.values())) > 1:
            told = ", ".join(f"{role}: {python or 'none'}" for role, python in pythons.items())
            raise UserError(
                f"stage {stage.name()!r} asks models that run in different environments ({told}); give them the "
                f"same python in profile {self.profile.name!r}"
            )
        return next(iter(pythons.values()), None)

    def _needs(self, stage: Stage) -> Resources:
        asks_models = bool(stage.roles_used()) and self.profile.device != "cpu"
        given = self.engine.resources.get(stage.name(), StageNeeds())
        return Resources(
            cpus=stage.resources.cpus if given.cpus is None else given.cpus,
            gpus=max(stage.resources.gpus, float(asks_models)) if given.gpus is None else given.gpus,
        )

    def _check_resources(self) -> None:
        names = [stage.name() for stage in self.stages]
        for name in self.engine.resources:
            if name not in names:
                raise UserError(
                    f"engine.resources has no use for {name!r}; the stages are {', '.join(names)}"
                )

    @property
    def input(self) -> str:
        """The manifest's path or URI."""
        assert self.settings.input is not None  # load has refused a pipeline without input
        return self.settings.input

    @property
    def seed(self) -> int:
        """Seed of every random draw of the run."""
        return self.settings.seed

    @property
    def deterministic(self) -> bool:
        """Whether two runs must agree to the byte."""
        return self.settings.deterministic

    @property
    def engine(self) -> EngineSettings:
        """How the work is cut and spread."""
        return self.settings.engine

    @property
    def pack(self) -> PackSettings:
        """How kept samples become shards."""
        return self.settings.pack

    @cached_property
    def screens(self) -> dict[str, Screen]:
        """What gives candidates up early, by the stage after which it does; nothing unless `scores` is `cascade`."""
        return screens_of(self.stages) if self.settings.scores == CASCADE else {}

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """Model roles that the stages load."""
        return tuple(dict.fromkeys(role for stage in self.stages for role in stage.roles_used()))

    def models_provenance(self) -> dict[str, dict[str, Any]]:
        """For each role that the stages load: adapter, version, digest of the weights, licence."""
        return ProfileModels(self.profile).provenance(self.roles)

    @property
    def roles_not_calibrated_for(self) -> list[str]:
        """Roles whose models are not those that the filter's thresholds were calibrated with."""
        cards = self.models_provenance()
        calibrated = [stage.calibrated_with for stage in self.stages if isinstance(stage, Filter)]
        return [
            role
            for digests in calibrated
            for role, digest in digests.items()
            if role in cards and cards[role]["digest"] != digest
        ]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the labels, as plain data: not the input, the engine or packing."""
        return {
            "stages": [stage.identity() for stage in self.stages],
            "models": {role: _decisive(card) for role, card in self.models_provenance().items()},
            "sample_rate": self.profile.sample_rate,
            "seed": self.seed,
            "deterministic": self.deterministic,
            **({"micro_batch_units": self.engine.micro_batch_units} if self.deterministic else {}),
            **({"scores": CASCADE} if self.settings.scores == CASCADE else {}),
        }

    @cached_property
    def digest(self) -> str:
        """Hash of `identity`: two runs with the same digest and units give the same samples."""
        return stable_hash("pipeline", json.dumps(self.identity, sort_keys=True))

    def changes_since(self, earlier: Mapping[str, Any]) -> list[str]:
        """What has changed since a pipeline whose `identity` was `earlier`, a phrase each."""
        return changes(earlier, self.identity)

    def sample_schema(self, manifest: pa.Schema) -> pa.Schema:
        """Columns of the samples table of a run on a manifest with these columns."""
        return sample_schema(self.stages, manifest)

    def resolved_yaml(self) -> str:
        """The pipeline as one file, every default written out; loading it gives the same digest."""
        settings = self.settings.model_dump(mode="json", exclude={"stages", "cascade"})
        head = {key: settings.pop(key) for key in ("input", "profile", "seed", "deterministic", "scores")}
        parameters = {stage.name(): stage.model_dump(mode="json") for stage in self.stages}
        stages = [{name: values} if values else name for name, values in parameters.items()]
        return dump_yaml({**head, "stages": stages, **settings})

    def _as_cascade(self, catalogue: StageCatalogue, written: Located) -> Pipeline:
        """The same pipeline with its scores in the order in which a cascade computes them."""
        pipeline, measured = self, self.settings.cascade.measured
        if measured is not None:
            with _located(written.where("cascade", "measured")):
                pipeline = replace(self, stages=cheapest_order(self.stages, measured))
            manifest = _manifest_schema(self.settings.input, written)
            pipeline._bind(catalogue, manifest, written)
        with _located(written.where("scores")):
            pipeline.screens  # noqa: B018 - found here, where the user's file is at hand
        return pipeline

    def _bind(self, catalogue: StageCatalogue, manifest: pa.Schema, written: Located) -> None:
        """Bind the stages to the run, in order, and check that each finds what it needs."""
        models = ProfileModels(self.profile)
        known = columns_at_start(manifest)
        written_by: dict[str, str] = {}
        for stage in self.stages:
            where = written.where("stages", stage.name())
            stage.bind(
                StageContext(self.profile.sample_rate, self.seed, models, self.profile.filters, dict(known))
            )
            with _located(where):
                stage.prepare()
                self._python(stage)  # refuses a mixture, where the user's file is at hand
                models.provenance(stage.roles_used())
            check_reads(stage, known, catalogue.writers_of, where)
            check_adds(stage, known, written_by, where)
            known.update(stage.columns_added())
            written_by.update(dict.fromkeys(stage.columns_added(), stage.name()))
        check_fingerprints(
            self.pack.near_duplicate_column, known, written.where("pack", "near_duplicate_column")
        )


def _build(catalogue: StageCatalogue, name: str, written: Located) -> Stage:
    stage = catalogue.find(name, where=written.where("stages", name))
    if not written.data["stages"][name]:
        written = Located({**written.data, "stages": {**written.data["stages"], name: {}}}, written.places)
    return validated(stage, written.section("stages", name), f"stage {name!r}")


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Give an error without a place this one."""
    try:
        yield
    except UserError as error:
        if error.where is not None:
            raise
        raise UserError(str(error), where=where) from error


def _manifest_schema(path: str | None, written: Located) -> pa.Schema:
    where = written.where("input")
    if path is None:
        raise UserError("the pipeline has no input; give one with --set input=MANIFEST.parquet", where=where)
    try:
        with open_table(path) as table:
            schema = table.schema_arrow
    except UserError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        hint = "; make a manifest with `dataengine index`" if missing else ""
        raise UserError(f"input {error}{hint}", where=where) from error
    check_manifest(schema, where)
    return schema


def _decisive(card: Mapping[str, Any]) -> dict[str, Any]:
    """What of a model's card decides its answers: not its licence, nor where its weights lie."""
    return {key: card[key] for key in ("adapter", "version", "digest", "options")}
