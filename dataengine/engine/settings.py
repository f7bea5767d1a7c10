"""Settings of the engine and of packing, as they stand in a pipeline file.

They decide how the work is cut, spread and stored; never what the labels are.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StageNeeds(BaseModel):
    """What one worker of a stage needs; what is not said stays as the stage and the profile have it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpus: float | None = Field(default=None, gt=0)
    gpus: float | None = Field(default=None, ge=0)
    """Half a GPU, for two workers on one, is 0.5."""


class EngineSettings(BaseModel):
    """The `engine:` section."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slice_units: int = Field(default=32, ge=1)
    """Units in a slice: what one Ray task works on and one part holds."""
    micro_batch_units: int = Field(default=8, ge=1)
    """Units that pass through the stages together; bounds the memory of a worker."""
    workers: int | None = Field(default=None, ge=1)
    """Workers of each group; default: as many as fit the cluster."""
    groups: list[list[str]] | None = None
    """Stage names grouped by hand; default: consecutive stages with the same resources and environment."""
    resources: dict[str, StageNeeds] = {}
    """By stage name. By default a stage that asks models has a GPU to itself where the profile's device is `cuda`."""
    stage_seconds: float = Field(default=300.0, gt=0)
    """Longest that one stage may take for one micro-batch; rows over which it takes longer fail."""
    worker_memory_gigabytes: float | None = Field(default=None, gt=0)
    """What one worker may allocate; default: its share of four fifths of its machine's memory."""
    store_frames: bool = False
    """Whether the frames of kept and retained candidates are stored beside their audio, if a stage reads any."""
    patience_minutes: float = Field(default=30.0, ge=0)
    """How long to go on trying while storage is in trouble and no slice gets done."""
    stop_seconds: float = Field(default=20.0, gt=0)
    """How long slices under way may take to end once the run is asked to stop (SIGTERM). Less than what stops the
    run leaves it: many schedulers kill after 30 s."""
    max_failed: float | None = Field(default=None, ge=0)
    """Stop when more units failed: a count if 1 or more, else a share of the units done so far."""


class PackSettings(BaseModel):
    """The `pack:` section: how kept samples become shards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shard_megabytes: float = Field(default=256.0, gt=0)
    """Upper size of a shard."""
    shuffle_seed: int = 0
    """Seed of the global order of samples."""
    quota_per_label: int | None = Field(default=None, ge=1)
    """At most this many samples with the same prompt text."""
    near_duplicate_column: str | None = None
    """A column of 64-bit fingerprints; of samples with the same prompt that differ in few bits, one is packed."""
    near_duplicate_bits: int = Field(default=3, ge=0, le=3)
    """Fingerprints that differ in at most this many bits are near duplicates."""
