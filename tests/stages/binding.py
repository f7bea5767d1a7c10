"""Stages bound to a run, as a pipeline binds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pyarrow as pa

from dataengine.engine.stage import Stage, StageContext
from dataengine.models.profile import Profile, ProfileModels

BoundStage = TypeVar("BoundStage", bound=Stage)


def bound(
    stage: BoundStage,
    *,
    filters: str | None = None,
    schema: Mapping[str, pa.DataType] | None = None,
    seed: int = 0,
    profile: str = "embedded",
) -> BoundStage:
    """The stage, prepared and set up with the models of the profile."""
    loaded = Profile.load(profile)
    stage.bind(StageContext(loaded.sample_rate, seed, ProfileModels(loaded), filters, schema or {}))
    stage.prepare()
    stage.setup()
    return stage
