"""A finished run on real recordings: some kept, some rejected, some borderline, two that failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dataengine import Pipeline, run
from dataengine.report.run_directory import RunDirectory
from manifests.indexing import IndexOptions, index
from tests.conftest import MadeOnce

STAGES = Path(__file__).with_name("listening_stages.py")
UNITS = 22

PIPELINE = """
stages:
  - decode
  - tell_prompts
  - split_bands
  - crossings
  - levels
  - silence_ratio
  - scene_complexity
  - filter: {{criteria: {filters}}}
  - spans
engine: {{slice_units: 4}}
pack: {{quota_per_label: 8}}
"""
FILTERS = """
criteria:
  - {score: target_level_db, above: -6.0}
  - {score: crossings, above: 0.035, when: not speech_prompt}
  - {score: silence_ratio, below: 0.65, when: speech_prompt, name: sounding_speech}
  - {score: residual_level_db, above: -12.0}
retain:
  - {score: target_level_db, above: -14.0}
"""


@pytest.fixture(scope="session")
def run_dir(demo_directory: Path, made_once: MadeOnce) -> Path:
    """The run's directory; tests must not write into it."""

    def make(folder: Path) -> None:
        recordings, manifest = folder / "recordings", folder / "recordings.parquet"
        _write_recordings(demo_directory, recordings)
        index([str(recordings)], str(manifest), IndexOptions(licence="CC-BY-3.0"))
        sorted(recordings.glob("*.flac"))[3].unlink()
        (folder / "filters.yaml").write_text(FILTERS)
        file = folder / "pipeline.yaml"
        file.write_text(PIPELINE.format(filters=folder / "filters.yaml"))
        run(Pipeline.load(file, [f"input={manifest}"], [str(STAGES)]), folder / "run")

    return made_once("reported", make) / "run"


def _write_recordings(demo: Path, folder: Path) -> None:
    """Scenes of the demo, a file that is no recording, and one that will be missing."""
    folder.mkdir()
    for scene in sorted((demo / "pool").glob("*.flac"))[:UNITS]:
        shutil.copy(scene, folder)
    (folder / "broken.wav").write_bytes(b"RIFF, and then nothing of the kind")


@pytest.fixture
def own_run_dir(run_dir: Path, tmp_path: Path) -> Path:
    """A copy of the run's directory that a test may write into."""
    return Path(shutil.copytree(run_dir, tmp_path / "run"))


@pytest.fixture(scope="session")
def finished(run_dir: Path) -> RunDirectory:
    """The run, for reading."""
    return RunDirectory.at(run_dir)


@pytest.fixture(scope="session")
def rows(run_dir: Path) -> pd.DataFrame:
    """All rows of the run's samples table."""
    return pd.concat(
        [pq.read_table(path).to_pandas() for path in sorted((run_dir / "samples").glob("*.parquet"))]
    )
