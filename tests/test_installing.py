"""Setting up where there is no network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_without_a_network_setting_up_ends_with_one_line_that_goes_on_to_ones_own_recordings(tmp_path: Path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("chromium", "ffmpeg", "fluidsynth", "timidity", "chromedriver"):  # as if they were installed
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    path = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    environment = {**os.environ, **path, **nowhere, "PYTHON": sys.executable, "VENV": str(tmp_path / "venv")}
    command = ["bash", "requirements/install.sh"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("dataengine: could not install PyTorch: ERROR: ")
    assert line.endswith("dataengine index FOLDER -o M.parquet")
