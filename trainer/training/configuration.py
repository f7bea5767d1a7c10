"""A training run as people write it: `conf/train/*.yaml`. Each component owns its part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dataengine.pipeline_file import read_pipeline_file
from dataengine.validation import validated
from trainer.codec import CodecConfig, MdctConfig
from trainer.data.drawing import Kind, MixingConfig
from trainer.flow.sampling import SamplingConfig
from trainer.flow.times import TimeSampling
from trainer.presets import DACVAE_CHANNELS, PRESETS
from trainer.training.batches import BatchConfig
from trainer.training.guard import GuardConfig
from trainer.training.optimisers import OptimiserConfig
from trainer.training.schedule import Schedule
from trainer.training.step import ObjectiveConfig
from trainer.training.validation import ValidationConfig

NOT_OF_THE_WEIGHTS = {
    "checkpoints",
    "steps",
    "validation",
    "sampling",
    "shifts",
    "floor",
    "tensorboard",
    "never_train",
}
"""Settings that may change while a run goes on."""


class DataConfig(BaseModel):
    """What is trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shards: dict[Kind, list[str]]
    """By what is in them: tars, patterns, folders of tars or run directories; paths or URLs."""
    balance: float = Field(default=1.0, ge=0, le=1)
    """0: every item is as likely as any other; 1: every text is."""
    mixing: MixingConfig


class CheckpointConfig(BaseModel):
    """When checkpoints are written and which are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: int = Field(default=500, ge=1)
    """Steps."""
    keep: int = Field(default=2, ge=1)
    """The last so many, and the best one."""


class TrainConfig(BaseModel):
    """The whole run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=0, ge=0)
    preset: str
    """A size of `trainer.presets`."""
    codec: CodecConfig = MdctConfig()
    """A transform, or `{kind: pretrained}` for the profile's codec."""
    profile: str = "embedded"
    """Whose text encoder, tagger and codec are used."""
    data: DataConfig
    never_train: tuple[str, ...] = ()
    """Lists, as for `dataengine index --never-train`: shards with one of their recordings are refused, and shards that
    do not say which recordings they hold."""
    batch: BatchConfig = BatchConfig()
    times: TimeSampling = TimeSampling()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: Schedule = Schedule()
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of a step's gradient."""
    average: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the average of the weights; the reference's in fine-tuning."""
    steps: int = Field(ge=1)
    guard: GuardConfig = GuardConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()
    validation: ValidationConfig | None = None
    """Of every checkpoint; without it the last one counts as the best."""
    sampling: SamplingConfig = SamplingConfig()
    """How the separator that comes of it follows the flow, unless it is told otherwise."""
    shifts: int = Field(default=1, ge=1)
    """How often it hears each window (see `SeparatorConfig`)."""
    floor: float = Field(default=0.0, ge=0, lt=1)
    """How much of the mixture stays in the target (see `SeparatorConfig`)."""
    start_from: str | None = None
    """What the run starts from, for fine-tuning: a checkpoint (its averaged weights), a separator's folder, or `seed`,
    the bundled separator."""
    compile: bool = False
    """Whether torch.compile makes the network faster, after minutes at the start."""
    recompute: bool = False
    """Whether the backward pass computes the blocks' activations again instead of keeping them: less memory."""
    spread: Literal["ddp", "fsdp"] = "ddp"
    """How many processes share the model: a copy each, or sharded."""
    tensorboard: bool = False
    """Whether figures, and the sounds of validations, are written for TensorBoard too."""

    @field_validator("preset")
    @classmethod
    def _known(cls, preset: str) -> str:
        if preset not in PRESETS:
            raise ValueError(f"there is {', '.join(PRESETS)}")
        return preset

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        wanted, channels = PRESETS[self.preset].dit.channels, self.codec.channels
        if wanted != channels:
            kind = "pretrained" if wanted == DACVAE_CHANNELS else "mdct"
            raise ValueError(
                f"preset {self.preset!r} is for a codec of {wanted} channels, and this one has {channels}; set "
                f"codec: {{kind: {kind}}}"
            )
        return self

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
        """Load a training file; `overrides` are `key=value` with dots between keys.

        Raises UserError, with file and line, for the first thing that is wrong.
        """
        return validated(cls, read_pipeline_file(path, overrides), "the training file")

    def pinned(self) -> TrainConfig:
        """The same, with the digest of the codec's weights. Raises UserError if they are missing."""
        return self.model_copy(update={"codec": self.codec.pinned(self.profile)})

    def identity(self) -> str:
        """What decides the weights, as JSON; a run goes on only with the same."""
        return json.dumps(self.model_dump(mode="json", exclude=NOT_OF_THE_WEIGHTS), sort_keys=True)
