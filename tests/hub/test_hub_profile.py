"""The profile `hub` from a mirror to labelled windows: its models are the real networks with random weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import soundfile

pytestmark = pytest.mark.hub

PIPELINE = """\
extends: {home}/stages/pseudolabel.yaml
profile: hub
stages:
  - decode
  - caption
  - separate
  - text_audio
  - aesthetics
  - scene_complexity
  - silence_ratio
  - speech_presence
  - filter
  - fingerprint
"""


@pytest.fixture
def command(claps, audiobox_folder: Path, tmp_path: Path) -> Any:
    """The command line, with a mirror."""
    mirror = tmp_path / "mirror"
    shutil.copytree(claps.folder, mirror / "laion" / "clap-htsat-unfused")
    shutil.copytree(audiobox_folder, mirror / "facebook" / "audiobox-aesthetics")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dataengine.cli", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "DATAENGINE_MIRROR": str(mirror)},
        )

    return run


def test_a_run_with_the_reference_models_scores_every_candidate(command, real_recordings, tmp_path: Path):
    (tmp_path / "recordings").mkdir()
    for number, waveform in enumerate(real_recordings[-2:]):
        soundfile.write(tmp_path / "recordings" / f"{number}.wav", waveform, 48_000)
    manifest, run = tmp_path / "mine.parquet", tmp_path / "run"
    assert command("index", str(tmp_path / "recordings"), "-o", str(manifest)).returncode == 0
    sound = command(
        "validate", "stages/pseudolabel.yaml", "--set", f"input={manifest}", "--set", "profile=hub"
    )
    assert sound.returncode == 0, sound.stderr
    pipeline = tmp_path / "with_aesthetics.yaml"
    pipeline.write_text(PIPELINE.format(home=Path.cwd()))
    done = command("run", str(pipeline), "--set", f"input={manifest}", "--run-dir", str(run))
    assert done.returncode == 0, done.stderr
    rows = [row for row in pq.read_table(run / "samples").to_pylist() if row["kind"] == "text"]
    assert rows
    assert {row["status"] for row in rows} == {"done"}
    for row in rows:
        assert -1 <= row["text_audio_target"] <= 1
        assert row["scene_complexity"] == pytest.approx(row["production_complexity"])
        models = json.loads(row["models"])
        assert models["text_audio_scorer"]["licence"] == "Apache-2.0"
        assert models["aesthetics_scorer"]["source"] == "hf://facebook/audiobox-aesthetics"
        assert models["scene_complexity_scorer"]["licence"] == "CC-BY-4.0"
