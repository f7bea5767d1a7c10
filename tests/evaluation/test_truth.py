from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dataengine.evaluation.truth import ABSENT, GAIN_DB, RIGHT, UNKNOWN, compare, judge_run
from dataengine.report.run_directory import CANDIDATE, RunDirectory
from manifests.catalogue.drawing import REAL_MIXTURE

RATE = 16_000
TIME = np.arange(2 * RATE) / RATE
TONE = np.sin(2 * np.pi * 440 * TIME).astype(np.float32)
HUM = np.sin(2 * np.pi * 110 * TIME).astype(np.float32)
SILENCE = np.zeros_like(TONE)


def test_mixture_and_target_are_compared_with_the_stem() -> None:
    found = compare(TONE + HUM, TONE + HUM / 10, TONE, HUM, RATE)
    assert found is not None
    assert found.mixture == pytest.approx(0, abs=0.1)
    assert found.gain == pytest.approx(20, abs=0.1)


def test_only_where_both_sound_counts() -> None:
    """The target is perfect in the second that the hum lasts, and spoilt where the tone is alone."""
    first = np.where(TIME < 1, 1, 0).astype(np.float32)
    target = TONE * first + HUM * (1 - first)
    found = compare(TONE + HUM * first, target, TONE, HUM * first, RATE)
    assert found is not None
    assert found.gain > 50


def test_sounds_that_never_meet_are_not_compared() -> None:
    first = np.where(TIME < 1, 1, 0).astype(np.float32)
    assert compare(TONE, TONE, TONE * first, TONE * (1 - first), RATE) is None
    assert compare(TONE, TONE, TONE, SILENCE, RATE) is None


@pytest.fixture(scope="module")
def judged(labelled_run: RunDirectory, demo_directory: Path) -> pd.DataFrame:
    return judge_run(labelled_run, [demo_directory / "truth" / "calibrate.parquet"]).to_pandas()


@pytest.mark.slow
def test_every_candidate_is_judged_once(judged: pd.DataFrame, labelled_run: RunDirectory) -> None:
    candidates = labelled_run.query(f"SELECT sample_id FROM samples WHERE {CANDIDATE}")
    assert sorted(judged["sample_id"]) == sorted(sample for (sample,) in candidates)


@pytest.mark.slow
def test_verdicts_follow_from_what_was_measured(judged: pd.DataFrame) -> None:
    gain = judged["target_si_sdr_db"] - judged["mixture_si_sdr_db"]
    measured = gain.notna()
    assert (judged["right"][measured].astype(bool) == (gain[measured] >= GAIN_DB)).all()
    assert not judged["right"][judged["reason"] == ABSENT].any()
    assert judged["right"].isna().equals(judged["reason"] == UNKNOWN)
    assert (judged["reason"] == UNKNOWN).equals(judged["scene_type"] == REAL_MIXTURE)


@pytest.mark.slow
def test_speech_is_separated_from_the_rest_in_some_scenes_and_other_sounds_from_each_other_in_none(
    judged: pd.DataFrame,
) -> None:
    """What the enhancer can do and what it cannot: the measure must tell."""
    right = judged["reason"] == RIGHT
    spoken = judged["scene_type"].str.startswith("speech")
    assert right[spoken].mean() > 0.25
    assert right[judged["scene_type"] == "sound_sound"].mean() < 0.1
