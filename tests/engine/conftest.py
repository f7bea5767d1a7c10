"""A Ray cluster for the tests of this folder, and runs of cheap stages on as many units as a test likes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import fsspec
import pytest
from cheap_runs import CHEAP_STAGES, cheap_pipelines, write_manifest

from dataengine import Pipeline, run
from dataengine.engine.cluster import ClusterSize, cluster
from dataengine.engine.storage import Storage

__all__ = ["CHEAP_STAGES", "write_manifest"]


RAY = ExitStack()
"""Ends Ray when it is closed."""


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[ClusterSize]:
    """Ray, until the last test of this folder."""
    with RAY:
        yield RAY.enter_context(cluster(None, sys.stderr))


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End Ray with this folder's last test: idle, it would take CPU time from all that follow."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        RAY.close()


@pytest.fixture
def cheap_pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """A pipeline of cheap stages: `cheap_pipeline(units, "engine.slice_units=8", …)`."""
    return cheap_pipelines(tmp_path)


@pytest.fixture(scope="session")
def cheap_run(ray_cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A finished run of a cheap pipeline: `cheap_run(run_dir, units, "stages.…", …)` returns `run_dir`.

    It is done once, and each test has a copy: a run takes seconds, most of them for its workers to start.
    """
    folder = tmp_path_factory.mktemp("cheap_runs")
    pipelines = cheap_pipelines(folder)
    done: dict[tuple[object, ...], Path] = {}

    def copied(run_dir: Path, units: int, *overrides: str, unreadable_every: int = 0) -> Path:
        wanted = (units, unreadable_every, *overrides)
        if wanted not in done:
            made = folder / f"run{len(done)}"
            run(pipelines(units, *overrides, unreadable_every=unreadable_every), made)
            done[wanted] = made
        return Path(shutil.copytree(done[wanted], run_dir))

    return copied


@pytest.fixture(params=["local", "remote"])
def storage(request, tmp_path: Path) -> Iterator[Storage]:
    """A run directory, on this machine and on a filesystem that is no disk."""
    if request.param == "local":
        yield Storage.at(tmp_path / "run")
        return
    yield Storage.at(f"memory://{tmp_path.name}")
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)
