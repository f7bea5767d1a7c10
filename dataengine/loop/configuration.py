"""A loop as people write it: `conf/loop/*.yaml`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dataengine.errors import UserError
from dataengine.pipeline_file import read_pipeline_file
from dataengine.validation import validated

NOT_OF_THE_OUTCOME = {"directory", "rounds"}
"""Settings that may change while a loop goes on."""


class SeparatorSettings(BaseModel):
    """How a profile uses a separator that came out of training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    adapter: Literal["trained", "enhancer_and_trained"] = "trained"
    """See docs/models.md."""
    steps: int | None = Field(default=None, ge=1)
    """Of the solver; default: as the separator was saved."""
    shifts: int = Field(default=2, ge=1)
    """How often each window is heard; heard once, a separator does not tell what gain it expects."""


class CalibrateSettings(BaseModel):
    """How the thresholds of a round's filter are chosen, before it labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: str
    """Manifest of scenes whose sources are known; none of them may be in the pool or the gate set."""
    truth: str
    """Their truth table."""
    criteria: str = "conf/filters/embedded_loose.yaml"
    """Filter file that names scores, directions and conditions."""
    scores: tuple[str, ...] = ()
    """Whose thresholds may move; none: all."""
    precision: float = Field(default=0.9, ge=0, le=0.999)
    """Least share of right labels that is asked for."""
    confidence: float = Field(default=0.95, ge=0.5, le=0.999)
    """Of the lower bound on that share."""


class LabelSettings(BaseModel):
    """How rounds label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipeline: str = "stages/pseudolabel.yaml"
    """Pipeline file; like all paths here, relative to where the command is run."""
    input: str
    """Manifest of the pool."""
    profile: str = "embedded"
    """The promoted separator takes the place of this profile's."""
    separator: SeparatorSettings = SeparatorSettings()
    set: tuple[str, ...] = ()
    """Changes to the pipeline, as for `dataengine run --set`."""


class TrainSettings(BaseModel):
    """How rounds train."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: str
    """Training file; it names no pseudo-labels."""
    set: tuple[str, ...] = ()
    """Changes to it, as for `dataengine train --set`."""
    pseudo_labelled_share: float = Field(gt=0)
    """Of the round's labels in the training mix, in the unit of the training file's shares."""
    workers: int | None = Field(default=None, ge=1)
    """Train in so many workers of the Ray cluster; default: in one process here."""
    start: Literal["promoted", "anew"] = "promoted"
    """Whether training goes on from the promoted separator, once a loop has one of its own, or every round starts as
    the training file says."""


class EvaluateSettings(BaseModel):
    """What decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    truth: str
    """Truth table of the gate set, as `dataengine demo-data` writes it."""
    scenes: int | None = Field(default=None, ge=1)
    """So many of its scenes, the first by name; default: all."""


class LoopConfig(BaseModel):
    """The whole loop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: str
    """Where everything is kept."""
    rounds: int = Field(ge=1)
    """Rounds in all; a loop that is done goes on when this is raised."""
    initial: str | None = None
    """The separator that the loop begins with: a folder that `train` left, or `seed`, the bundled one; default: the
    profile's own."""
    calibrate: CalibrateSettings | None = None
    """Without it, the pipeline's own filter decides for every separator."""
    label: LabelSettings
    train: TrainSettings
    evaluate: EvaluateSettings

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> LoopConfig:
        """Load a loop file; `overrides` are `key=value` with dots between keys.

        Raises UserError, with file and line, for the first thing that is wrong in it. Whether the files that it names
        fit is checked by `dataengine.loop.steps.Steps`.
        """
        written = read_pipeline_file(path, overrides)
        config = validated(cls, written, "the loop file")
        named = [("label", "pipeline"), ("train", "config"), ("evaluate", "truth")]
        named += [("calibrate", "truth"), ("calibrate", "criteria")] if config.calibrate else []
        for section, key in named:
            place = str(getattr(getattr(config, section), key))
            if not Path(place).is_file():
                raise UserError(f"there is no file {place}", where=written.where(section, key))
        return config

    def outcome(self) -> str:
        """What decides the outcome of rounds, as JSON."""
        return json.dumps(self.model_dump(mode="json", exclude=NOT_OF_THE_OUTCOME), sort_keys=True)
