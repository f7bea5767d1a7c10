"""A Ray cluster for the whole session, and runs of cheap stages on as many units as a test likes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cheap_runs import CHEAP_STAGES, cheap_pipelines, write_manifest

from dataengine import Pipeline

__all__ = ["CHEAP_STAGES", "write_manifest"]


@pytest.fixture(scope="session")
def ray_cluster():
    from dataengine.engine.cluster import cluster

    with cluster(None) as size:
        yield size


@pytest.fixture
def cheap_pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """A pipeline of cheap stages: `cheap_pipeline(units, "engine.slice_units=8", …)`."""
    return cheap_pipelines(tmp_path)
