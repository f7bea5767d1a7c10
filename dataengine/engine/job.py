"""A job: everything a worker needs to know to turn units into parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from dataengine.engine.slice_work import Screen, Start
from dataengine.engine.stage import Stage
from dataengine.engine.storage import Storage
from manifests.schema import is_heavy


@dataclass(frozen=True)
class Job:
    """Stages bound to a run. It travels to the workers, so models are named here, not loaded."""

    stages: tuple[Stage, ...]
    storage: Storage
    sample_schema: pa.Schema
    sample_rate: int
    seed: int
    pipeline_digest: str
    models: str
    """Provenance of the models, JSON."""
    micro_batch_units: int
    epoch: int
    """Of the driver that hands the work out; see `dataengine.engine.lease`."""
    deterministic: bool = False
    """Whether the rows that a stage takes together may depend on nothing but the plan."""
    screens: Mapping[str, Screen] = field(default_factory=dict)
    """What gives rows up early, by the stage after which it does."""
    carrying: Start | None = None
    """What is carried over from an earlier run."""
    round_number: int | None = None
    """The round of a loop that the run is a step of."""
    store_frames: bool = False
    """Whether the frames of what is kept are stored beside its audio."""

    @property
    def heavy_columns(self) -> frozenset[str]:
        """Names of the columns that hold audio or video."""
        return frozenset(
            name for stage in self.stages for name, kind in stage.columns_added().items() if is_heavy(kind)
        )

    @property
    def keeps_audio(self) -> bool:
        """Whether there are waveforms to be stored."""
        return "mixture" in self.heavy_columns
