"""Thresholds that a round chooses for its separator."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataengine.loop.calibrating import calibrated_filters
from dataengine.loop.configuration import CalibrateSettings
from dataengine.yaml_source import load_located
from manifests.indexing import IndexOptions, index
from stages.criteria import FilterFile

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_round_chooses_thresholds_once_and_its_filter_shows_what_was_asked(demo_directory, tmp_path):
    index([str(demo_directory / "calibrate")], str(tmp_path / "scenes.parquet"), IndexOptions())
    settings = CalibrateSettings(
        input=str(tmp_path / "scenes.parquet"),
        truth=str(demo_directory / "truth" / "calibrate.parquet"),
        criteria=str(ROOT / "conf" / "filters" / "embedded_loose.yaml"),
        scores=("expected_gain_db", "speech_target"),
        precision=0.25,
        confidence=0.8,
    )
    changes = ["profile=embedded", "deterministic=true"]
    pipeline, folder = str(ROOT / "stages" / "pseudolabel.yaml"), tmp_path / "round"
    out = calibrated_filters(settings, pipeline, changes, folder, None)
    chosen = FilterFile.model_validate(load_located(out).data)
    assert chosen.calibration is not None
    assert chosen.calibration["overall"]["bound"] >= 0.25
    written = out.stat().st_mtime_ns
    assert calibrated_filters(settings, pipeline, changes, folder, None) == out
    assert out.stat().st_mtime_ns == written
