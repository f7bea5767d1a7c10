"""Nodes of a cluster die and join while a run goes on; the table is that of one machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cheap_job import CheapJob, orphans, results
from counting_stages import FOLDER, HOLD
from driver_process import Driver, run_to_end
from ray_nodes import Cluster

pytestmark = pytest.mark.slow

UNITS = 800
SLICE_UNITS = 16
IN_TWO_GROUPS = "[[count, tone, propose], [halve, draw, judge]]"
SECONDS_UNTIL_HEAD_IS_MISSED = 180.0
SMALL_SHARDS = "pack.shard_megabytes=0.02"
"""So that there are some left when the first ones are seen."""


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> CheapJob:
    return CheapJob.write(tmp_path_factory.mktemp("job"), UNITS, 0.08, SLICE_UNITS)


@pytest.fixture(scope="module")
def on_one_machine(job, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("alone")
    code, printed = run_to_end(command(job, folder / "run"), folder / "output.txt", {FOLDER: str(folder)})
    assert code == 0, printed
    return results(folder / "run")


@pytest.fixture(scope="module")
def count_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("count")


@pytest.fixture(scope="module")
def cluster(count_folder) -> Iterator[Cluster]:
    cluster = Cluster({FOLDER: str(count_folder)})
    yield cluster
    cluster.close()


def command(job: CheapJob, run_dir: Path, *more: str) -> list[str | Path]:
    return job.command(run_dir, "--set", SMALL_SHARDS, *more)


def parts(run_dir: Path) -> int:
    return _files(run_dir / "parts" / "00000", ".parquet")


def shards(run_dir: Path) -> int:
    return _files(run_dir / "shards", ".tar")


def _files(folder: Path, ending: str) -> int:
    try:
        return sum(name.endswith(ending) for name in os.listdir(folder))
    except FileNotFoundError:
        return 0


def wait_for_parts(driver: Driver, run_dir: Path, count: int) -> None:
    assert driver.wait_until(lambda: time.sleep(0.05) or parts(run_dir) >= count), driver.output.read_text()


def workers(run_dir: Path) -> set[int]:
    """Processes that have worked on slices that are committed."""
    events = [json.loads(line) for file in run_dir.glob("log/events/*") for line in file.open()]
    committed = [event for event in events if event["event"] == "slice_committed"]
    return {int(worker.rpartition(":")[2]) for event in committed for worker in event["workers"]}


@pytest.mark.parametrize("groups", ["null", IN_TWO_GROUPS], ids=["one group", "two groups"])
def test_nodes_that_die_and_join_change_nothing(job, on_one_machine, cluster, count_folder, tmp_path, groups):
    while len(cluster.nodes) < 3:
        cluster.add()
    _, first, second = cluster.nodes
    run_dir = tmp_path / "run"
    arguments = command(job, run_dir, "--address", cluster.address, "--set", f"engine.groups={groups}")
    driver = Driver(arguments, tmp_path / "output.txt")
    wait_for_parts(driver, run_dir, 4)
    cluster.kill(first)
    wait_for_parts(driver, run_dir, parts(run_dir) + 4)
    cluster.kill(second)
    (count_folder / HOLD).touch()  # or all is done before the third node has joined
    third = cluster.add()
    (count_folder / HOLD).unlink()
    assert driver.wait_until(lambda: time.sleep(0.2) or bool(workers(run_dir) & third.processes())), (
        driver.output.read_text()
    )
    assert driver.wait_until(lambda: time.sleep(0.01) or shards(run_dir) >= 4), driver.output.read_text()
    cluster.kill(third)
    all_shards = sum(name.startswith("shards/") for name in on_one_machine)
    assert shards(run_dir) < all_shards, "all shards were written before the node died"
    assert driver.wait() == 0, driver.output.read_text()
    assert results(run_dir) == on_one_machine
    assert orphans(run_dir) == []


def test_a_run_whose_cluster_is_lost_says_so_and_goes_on_with_another(
    job, on_one_machine, cluster, count_folder, tmp_path
):
    run_dir = tmp_path / "run"
    lost = Cluster({FOLDER: str(count_folder)})
    try:
        lost.add()
        driver = Driver(command(job, run_dir, "--address", lost.address), tmp_path / "output.txt")
        wait_for_parts(driver, run_dir, 4)
        lost.kill(lost.head)
        assert driver.wait(SECONDS_UNTIL_HEAD_IS_MISSED) == 1
    finally:
        lost.close()
    printed = driver.output.read_text()
    assert "Traceback" not in printed
    last = printed.splitlines()[-1]
    assert last.startswith("dataengine: the head of the Ray cluster ("), printed
    assert last.endswith("; what is done is kept, and the same command goes on with another cluster"), printed
    done = parts(run_dir)
    assert 4 <= done < UNITS / SLICE_UNITS
    code, printed = run_to_end(command(job, run_dir, "--address", cluster.address), tmp_path / "resumed.txt")
    assert code == 0, printed
    assert results(run_dir) == on_one_machine
    assert orphans(run_dir) == []
