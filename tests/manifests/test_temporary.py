"""Temporary folders go with the process that made them, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from manifests.temporary import TemporaryFolder

HOLD = """
from manifests.temporary import TemporaryFolder
with TemporaryFolder() as folder:
    (folder / "spilled").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    input()
"""
MANY = """
from manifests.temporary import TemporaryFolder
for _ in range(300):
    with TemporaryFolder() as folder:
        (folder / "spilled").write_bytes(b"x")
"""


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """The folder of temporary files, for this process and those it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_what_a_killed_process_left_goes_with_the_next_folder_and_what_is_in_use_stays(place):
    held, lost = start(HOLD), start(HOLD)
    in_use, abandoned = (Path(process.stdout.readline().strip()) for process in (held, lost))
    lost.send_signal(signal.SIGKILL)
    lost.wait()
    assert (abandoned / "spilled").exists()
    with TemporaryFolder() as folder:
        assert set(place.iterdir()) == {folder, in_use}
        assert (in_use / "spilled").exists()
    held.communicate("\n")
    assert held.returncode == 0
    assert not list(place.iterdir())


def test_a_folder_is_gone_with_its_object(place):
    folder = TemporaryFolder()
    assert folder.path.is_dir()
    del folder
    assert not list(place.iterdir())


def test_no_process_takes_the_new_folder_of_another_for_an_abandoned_one(place):
    processes = [start(MANY) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert not list(place.iterdir())
