"""SIGTERM: what is under way is committed, the exit code is 0, and the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

CHEAP_STAGES = Path(__file__).with_name("cheap_stages.py")


def committed(run_dir: Path) -> int:
    return len(list((run_dir / "parts").rglob("*.parquet")))


@pytest.mark.slow
def test_sigterm_commits_what_is_under_way(cheap_pipeline, tmp_path):
    pipeline = cheap_pipeline(240)
    run_dir = tmp_path / "run"
    command = [sys.executable, "-m", "dataengine.cli", "run", str(tmp_path / "cheap.yaml")]
    command += ["--stages", str(CHEAP_STAGES), "--set", f"input={pipeline.input}", "--run-dir", str(run_dir)]
    slow = ["--set", "stages.tone.seconds_each=0.1"]
    driver = subprocess.Popen([*command, *slow], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while committed(run_dir) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.send_signal(signal.SIGTERM)
    _, messages = driver.communicate(timeout=60)
    assert driver.returncode == 0, messages
    assert "stopped as asked; the same command goes on" in messages
    done = committed(run_dir)
    assert 2 <= done < 15
    assert not list(run_dir.rglob("*.incomplete"))
    assert not (run_dir / "samples").exists()
    time.sleep(3)
    assert committed(run_dir) == done  # nobody works on behind our back

    subprocess.run([*command, *slow], check=True, timeout=200)
    units = set(pq.read_table(run_dir / "samples")["unit_id"].to_pylist())
    assert units == set(pq.read_table(pipeline.input)["unit_id"].to_pylist())
