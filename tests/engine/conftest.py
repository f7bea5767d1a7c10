"""A Ray cluster for the whole session, and runs of cheap stages on as many units as a test likes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from cheap_runs import CHEAP_STAGES, cheap_pipelines, write_manifest

from dataengine import Pipeline
from dataengine.engine.storage import Storage

__all__ = ["CHEAP_STAGES", "write_manifest"]


@pytest.fixture(scope="session")
def ray_cluster():
    from dataengine.engine.cluster import cluster

    with cluster(None, sys.stderr) as size:
        yield size


@pytest.fixture
def cheap_pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """A pipeline of cheap stages: `cheap_pipeline(units, "engine.slice_units=8", …)`."""
    return cheap_pipelines(tmp_path)


@pytest.fixture(params=["local", "remote"])
def storage(request, tmp_path: Path) -> Iterator[Storage]:
    """A run directory, on this machine and on a filesystem that is no disk."""
    if request.param == "local":
        yield Storage.at(tmp_path / "run")
        return
    yield Storage.at(f"memory://{tmp_path.name}")
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)
