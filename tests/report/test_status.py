"""The state of a run is read from what it has committed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataengine.cli import app
from dataengine.engine.footers import Footer
from dataengine.engine.parts import Counts
from dataengine.engine.slice_work import StageWork
from dataengine.errors import UserError
from dataengine.report.status import status_of, units_per_second


def stop_half_way(run_dir: Path) -> int:
    """Leave the run as a driver leaves it that was killed after half its slices; returns how many those are."""
    parts = sorted((run_dir / "parts").rglob("*.parquet"))
    for part in parts[len(parts) // 2 :]:
        part.unlink()
    for made_at_the_end in ("samples", "shards", "log"):
        shutil.rmtree(run_dir / made_at_the_end)
    (run_dir / "summary.json").unlink()
    return len(parts) // 2


def hold_lease(run_dir: Path, *, released: bool = False) -> None:
    pid, now = os.getpid(), time.time()
    lease = {"host": socket.gethostname(), "pid": pid, "epoch": 2, "beat": now, "released": released}
    (run_dir / "lease" / "00002.json").write_text(json.dumps(lease))


def test_a_finished_run(run_dir, rows):
    status = status_of(run_dir)
    assert status.state == "finished"
    assert status.slices_done == status.slices == 6
    assert status.counts.units == status.units == 23
    assert status.counts.kept == rows["kept"].sum()
    assert status.counts.failed == 2
    assert status.writer is None
    assert status.seconds_left is None
    assert [stage.stage for stage in status.stages][:3] == ["decode", "tell_prompts", "split_bands"]
    assert status.stages[0].failed == 1
    assert 0 < time.time() - status.last_activity < 3600
    assert json.loads(status.to_json())["counts"]["kept"] == status.counts.kept


def test_a_stopped_run(own_run_dir):
    done = stop_half_way(own_run_dir)
    hold_lease(own_run_dir, released=True)
    status = status_of(own_run_dir)
    assert status.state == "stopped"
    assert (status.slices_done, status.slices) == (done, 6)
    assert status.seconds_left is None


def test_a_run_whose_shards_are_still_to_be_made_is_not_finished(own_run_dir):
    (own_run_dir / "summary.json").unlink()
    assert status_of(own_run_dir).state == "stopped"


def test_a_running_run_tells_who_and_how_long(own_run_dir):
    stop_half_way(own_run_dir)
    hold_lease(own_run_dir)
    status = status_of(own_run_dir)
    assert status.state == "running"
    assert status.writer.pid == os.getpid()
    left = status.units - status.counts.units
    assert status.seconds_left == pytest.approx(left / status.units_per_second)


def test_a_run_that_is_being_finished_has_nothing_left_to_label(own_run_dir):
    (own_run_dir / "summary.json").unlink()
    hold_lease(own_run_dir)
    status = status_of(own_run_dir)
    assert status.state == "running"
    assert status.seconds_left is None
    said = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["status", str(own_run_dir)]).output
    assert f"making samples and shards: process {os.getpid()}" in said


def test_a_run_before_its_first_slice(own_run_dir):
    stop_half_way(own_run_dir)
    shutil.rmtree(own_run_dir / "parts")
    hold_lease(own_run_dir)
    status = status_of(own_run_dir)
    assert (status.state, status.slices_done) == ("running", 0)
    assert status.units_per_second is status.seconds_left is status.last_activity is None


def test_the_rate_counts_workers_and_leaves_pauses_out():
    def footer(number: int, pid: int, started: float) -> Footer:
        decode = StageWork(number, "decode", "first", seconds=1.0, host="a", pid=pid, started=started)
        score = StageWork(
            number, "score", "second", seconds=4.0, host="a", pid=100 + pid, started=started + 1
        )
        return Footer(number, Counts(units=8), (decode, score))

    # Two workers of each group; the slower group takes 4 s for 8 units: 2 × 8 / 4 units a second.
    footers = [footer(n, pid=n % 2, started=4.0 * (n // 2)) for n in range(8)]
    assert units_per_second(footers) == pytest.approx(4.0)
    after_a_night = [footer(n, pid=50 + n % 2, started=40_000 + 4.0 * (n // 2)) for n in range(8, 12)]
    assert units_per_second([*footers, *after_a_night]) == pytest.approx(4.0)


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a run directory"):
        status_of(tmp_path)
