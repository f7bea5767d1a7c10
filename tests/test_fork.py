"""Forking the real pipeline: other thresholds on real recordings, without hearing them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataengine import Pipeline, run
from manifests.indexing import IndexOptions, index

STRICT = """
criteria:
  - {score: expected_gain_db, above: 6.0, when: speech_prompt}
  - {score: text_audio_target, above: 0.2, when: not speech_prompt}
  - {score: silence_ratio, below: 0.95}
retain:
  - {score: silence_ratio, below: 0.95}
"""


@pytest.fixture(scope="module")
def pipeline(demo_directory: Path, tmp_path_factory: pytest.TempPathFactory):
    """The pseudo-labelling pipeline on eight scenes, with the criteria that one asks for."""
    folder = tmp_path_factory.mktemp("fork")
    scenes = sorted((demo_directory / "pool").glob("*.flac"))[:8]
    index([str(scene) for scene in scenes], str(folder / "scenes.parquet"), IndexOptions(workers=1))

    def load(criteria: str) -> Pipeline:
        filters = folder / "filters.yaml"
        filters.write_text(criteria)
        overrides = [f"input={folder / 'scenes.parquet'}", f"stages.filter.criteria={filters}"]
        return Pipeline.load(
            "stages/pseudolabel.yaml", [*overrides, "deterministic=true", "engine.slice_units=2"]
        )

    return load


def files(run_dir: Path, folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run_dir / folder).iterdir()}


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_other_thresholds_on_real_recordings(pipeline, tmp_path):
    run(pipeline(STRICT), tmp_path / "old")
    changed = STRICT.replace("6.0", "2.0").replace("0.2", "0.3")
    summary = run(pipeline(changed), tmp_path / "fork", fork=tmp_path / "old")
    run(pipeline(changed), tmp_path / "fresh")
    assert files(tmp_path / "fork", "samples") == files(tmp_path / "fresh", "samples")
    assert files(tmp_path / "fork", "shards") == files(tmp_path / "fresh", "shards")
    assert summary.counts.reused > 0
    assert summary.counts.kept > 0
