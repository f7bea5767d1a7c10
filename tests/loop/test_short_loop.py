"""`make loop-short`, from nothing to a report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataengine.cli import app
from tests.conftest import DATA
from tests.faults.driver_process import surroundings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_short_loop_ends_with_two_decisions(recordings, tmp_path):
    for name in ("stages", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "recordings").symlink_to(DATA / "recordings")
    binaries = Path(sys.executable).parent
    command = ["make", "-f", ROOT / "Makefile", "-o", "install", "loop-short", f"BIN={binaries}"]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loop = tmp_path / "runs" / "loop-short"
    answer = CliRunner().invoke(app, ["loop", "status", str(loop), "--json"])
    first, second = json.loads(answer.stdout)["rounds"]
    assert first["decision"]["reason"]
    assert second["decision"]["reason"]
    assert min(first["packed"], first["questions"]) > 0
    assert "Score drift" in (loop / "report.html").read_text()
