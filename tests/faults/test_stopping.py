"""SIGTERM: what is under way is committed, the exit code is 0, and the same command goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cheap_job import CheapJob, orphans
from counting_stages import FOLDER, counted
from driver_process import Driver, run_to_end

UNITS, SLICE_UNITS = 240, 16
IN_TWO_GROUPS = "[[count, tone, propose], [halve, draw, judge]]"


def committed(run_dir: Path) -> set[str]:
    """The units that have a part."""
    parts = run_dir.glob("parts/*/*.parquet")
    return {unit for part in parts for unit in pq.read_table(part)["unit_id"].to_pylist()}


@pytest.mark.slow
@pytest.mark.parametrize("groups", ["null", IN_TWO_GROUPS], ids=["one group", "two groups"])
def test_sigterm_commits_what_is_under_way(tmp_path, groups):
    job = CheapJob.write(tmp_path / "job", UNITS, seconds_each=0.05, slice_units=SLICE_UNITS)
    (tmp_path / "count").mkdir()
    run_dir, environment = tmp_path / "run", {FOLDER: str(tmp_path / "count")}
    settings = (f"engine.groups={groups}", "stages.halve.seconds_each=0.1", "engine.stop_seconds=60")
    command = job.command(run_dir, *(argument for setting in settings for argument in ("--set", setting)))

    driver = Driver(command, tmp_path / "stopped.txt", environment)
    assert driver.wait_until(lambda: len(list(run_dir.glob("parts/*/*.parquet"))) >= 2)
    os.kill(driver.pid, signal.SIGTERM)
    assert driver.wait(120) == 0, driver.output.read_text()
    assert "stopped as asked; the same command goes on" in driver.output.read_text()
    done, begun = committed(run_dir), set(counted(tmp_path / "count"))
    assert 2 * SLICE_UNITS <= len(done) < UNITS
    assert done == begun
    assert orphans(run_dir) == []
    assert not (run_dir / "samples").exists()
    time.sleep(2)
    assert committed(run_dir) == done  # nobody works on behind our back

    code, printed = run_to_end(command, tmp_path / "resumed.txt", environment)
    assert code == 0, printed
    assert len(committed(run_dir)) == UNITS
    assert len(counted(tmp_path / "count")) == UNITS  # none twice


@pytest.mark.slow
def test_control_c_stops_at_once_and_the_same_command_goes_on(tmp_path):
    job = CheapJob.write(tmp_path / "job", UNITS, seconds_each=0.05, slice_units=SLICE_UNITS)
    (tmp_path / "count").mkdir()
    run_dir, environment = tmp_path / "run", {FOLDER: str(tmp_path / "count")}
    # A shell that starts the tests in the background has them ignore SIGINT, and with them all that they start.
    heard = ("env", "--default-signal=INT")
    driver = Driver(job.command(run_dir), tmp_path / "stopped.txt", environment, heard)
    assert driver.wait_until(lambda: len(list(run_dir.glob("parts/*/*.parquet"))) >= 2)
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does: to the driver and all that it started
    assert driver.wait(60) == 130, driver.output.read_text()
    told = driver.output.read_text().splitlines()
    assert told[-1] == "dataengine: interrupted; the same command goes on from here"
    assert all(line.startswith("run: ") for line in told[:-1])
    assert 2 * SLICE_UNITS <= len(committed(run_dir)) < UNITS

    code, printed = run_to_end(job.command(run_dir), tmp_path / "resumed.txt", environment)
    assert code == 0, printed
    assert len(committed(run_dir)) == UNITS
    assert orphans(run_dir) == []
