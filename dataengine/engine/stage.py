"""What a stage is: a step of work on a batch of rows, with validated parameters.

A stage is a class. Its annotated attributes are its parameters and the keys of its entry in the
pipeline file; what it reads and adds is declared, so that a pipeline is checked before anything starts:

    class SilenceRatio(Stage):
        \"\"\"Share of the target that lies below a level.\"\"\"

        reads = ("target",)
        adds = {"silence_ratio": pa.float32()}
        level_dbfs: float = -40.0

        def process(self, batch: Batch) -> Batch: ...
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, PrivateAttr

from dataengine.engine.batch import Batch


class ModelSource(Protocol):
    """Where a stage gets its models: each role is loaded once a worker and shared by its stages."""

    def load(self, role: str) -> Any:
        """The model that fills `role` in the pipeline's profile."""
        ...

    def adapter(self, role: str) -> Any:
        """What the profile says of the model that fills `role`. Loads nothing."""
        ...

    def provenance(self, roles: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """For each role: adapter, version, digest of the weights, licence. Loads nothing."""
        ...

    def seconds(self) -> float:
        """Time spent inside models in this process so far."""
        ...


@dataclass(frozen=True)
class Resources:
    """What one worker of a stage needs while it runs."""

    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True)
class StageContext:
    """What a stage knows of the run it is part of."""

    sample_rate: int
    """Hz; the rate of every waveform between stages."""
    seed: int
    """The run's seed; draw with `manifests.identity.seed_of(seed, row_id, …)`."""
    models: ModelSource
    filters: str | None = None
    """The profile's filter file."""
    schema: Mapping[str, pa.DataType] = field(default_factory=dict)
    """Columns that exist before this stage, with their types."""


class Stage(BaseModel, ABC):
    """Base class of all stages.

    `process` is pure: the same rows in give the same rows out, whatever other rows are in the batch.
    It may add columns it declared in `adds`, mark rows with `Batch.reject`, and, where `proposes` is
    set, return several rows (candidates) or none for a row it was given. It never drops a row otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    reads: ClassVar[tuple[str, ...]] = ()
    """Columns the stage needs."""
    adds: ClassVar[Mapping[str, pa.DataType]] = {}
    """Columns the stage writes. A column of type `WAVEFORM` or `FRAMES` never reaches a table."""
    roles: ClassVar[tuple[str, ...]] = ()
    """Model roles the stage loads in `setup`."""
    resources: ClassVar[Resources] = Resources()
    version: ClassVar[str] = "1"
    """Raised when the same parameters give other results than before; part of the pipeline's digest."""
    proposes: ClassVar[bool] = False
    """Whether `process` turns each row into zero or more candidates."""

    _context: StageContext | None = PrivateAttr(default=None)

    @classmethod
    def name(cls) -> str:
        """The stage's name in a pipeline file: the class name in snake case."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def context(self) -> StageContext:
        """The run's facts; set before `setup`."""
        if self._context is None:
            raise RuntimeError(f"stage {self.name()!r} was used before it was bound to a run")
        return self._context

    def bind(self, context: StageContext) -> None:
        """Tell the stage what run it belongs to."""
        self._context = context

    def columns_read(self) -> tuple[str, ...]:
        """Columns this instance needs; override where parameters decide."""
        return self.reads

    def columns_added(self) -> Mapping[str, pa.DataType]:
        """Columns this instance writes; override where parameters decide."""
        return self.adds

    def roles_used(self) -> tuple[str, ...]:
        """Roles this instance loads; override where parameters decide."""
        return self.roles

    def prepare(self) -> None:
        """Read and check the files that parameters name; called once, where the run is started.

        It is called after `bind` and before everything else, so `columns_read` and `identity` may depend
        on it. What it keeps in private attributes travels to the workers, which may not see the files.
        Raises UserError for a file that does not serve.
        """

    def identity(self) -> dict[str, Any]:
        """What decides the stage's results, as plain data: it goes into the pipeline's digest.

        A stage whose parameter names a file gives the file's content in the path's place.
        """
        return {"stage": self.name(), "version": self.version, "parameters": self.model_dump(mode="json")}

    def setup(self) -> None:
        """Load models and tables; called once a worker, before the first batch."""

    @abstractmethod
    def process(self, batch: Batch) -> Batch:
        """Do the stage's work on a batch of at least one row."""
