"""Nodes of a cluster die and join while a run goes on; the table is that of one machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cheap_job import CheapJob, orphans, results
from counting_stages import FOLDER
from driver_process import Driver, run_to_end
from ray_nodes import Cluster

pytestmark = pytest.mark.slow

UNITS = 800
SLICE_UNITS = 16
SECONDS_UNTIL_HEAD_IS_MISSED = 180.0


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> CheapJob:
    return CheapJob.write(tmp_path_factory.mktemp("job"), UNITS, 0.08, SLICE_UNITS)


@pytest.fixture(scope="module")
def on_one_machine(job, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("alone")
    code, printed = run_to_end(job.command(folder / "run"), folder / "output.txt", {FOLDER: str(folder)})
    assert code == 0, printed
    return results(folder / "run")


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    cluster = Cluster({FOLDER: str(tmp_path)})
    yield cluster
    cluster.close()


def parts(run_dir: Path) -> int:
    try:
        return len([name for name in os.listdir(run_dir / "parts" / "00000") if name.endswith(".parquet")])
    except FileNotFoundError:
        return 0


def wait_for_parts(driver: Driver, run_dir: Path, count: int) -> None:
    assert driver.wait_until(lambda: time.sleep(0.05) or parts(run_dir) >= count), driver.output.read_text()


def test_nodes_that_die_and_join_change_nothing(job, on_one_machine, cluster, tmp_path):
    first, second = cluster.add(), cluster.add()
    run_dir = tmp_path / "run"
    driver = Driver(job.command(run_dir, "--address", cluster.address), tmp_path / "output.txt")
    wait_for_parts(driver, run_dir, 4)
    first.kill()
    wait_for_parts(driver, run_dir, parts(run_dir) + 4)
    second.kill()
    wait_for_parts(driver, run_dir, parts(run_dir) + 4)
    cluster.add()
    assert driver.wait() == 0, driver.output.read_text()
    assert results(run_dir) == on_one_machine
    assert orphans(run_dir) == []


def test_a_run_whose_cluster_is_lost_goes_on_with_another(job, on_one_machine, cluster, tmp_path):
    cluster.add()
    run_dir = tmp_path / "run"
    driver = Driver(job.command(run_dir, "--address", cluster.address), tmp_path / "output.txt")
    wait_for_parts(driver, run_dir, 4)
    cluster.head.kill()
    assert driver.wait(SECONDS_UNTIL_HEAD_IS_MISSED) != 0
    done = parts(run_dir)
    assert 4 <= done < UNITS / SLICE_UNITS
    another = Cluster({FOLDER: str(tmp_path)})
    try:
        command = job.command(run_dir, "--address", another.address)
        code, printed = run_to_end(command, tmp_path / "resumed.txt")
        assert code == 0, printed
    finally:
        another.close()
    assert results(run_dir) == on_one_machine
    assert orphans(run_dir) == []
