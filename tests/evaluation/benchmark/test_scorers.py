"""What models say of answers, beside the truth."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataengine.evaluation.asking import Asked, ByTruth, ask
from dataengine.evaluation.baselines import MIXTURE
from dataengine.evaluation.benchmark.hub_set import read_hub_set
from dataengine.evaluation.benchmark.measures import VISUAL
from dataengine.evaluation.benchmark.scorers import AUDIO_VISUAL, TEXT_AUDIO, Scorers
from dataengine.evaluation.benchmark.settings import SETTINGS
from dataengine.evaluation.benchmark.trial import Trial
from dataengine.evaluation.contest import Contest
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import extractions
from dataengine.evaluation.true_scenes import read_scenes
from dataengine.models.profile import Profile
from dataengine.models.registry import BUILT_IN
from dataengine.models.roles import Stems
from tests.evaluation.benchmark.hub_rows import mask_bytes, row, write_table, write_video
from tests.evaluation.contestants import Halving

RATE = 16_000


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Profile:
    """The embedded profile with a model for what is seen, which is none of ours."""
    own = "tests.evaluation.benchmark.watching:MaskedBrightnessAdapter"
    monkeypatch.setitem(BUILT_IN, "masked_brightness", own)
    profile = Profile.load("embedded")
    return profile.model_copy(
        update={"models": {**profile.models, AUDIO_VISUAL: {"adapter": "masked_brightness"}}}
    )


def test_the_prompt_describes_its_own_target_better_than_another(demo_directory: Path) -> None:
    scorers = Scorers(Profile.load("embedded"))
    assert scorers.roles == (TEXT_AUDIO,)
    scenes = list(read_scenes(demo_directory / "truth" / "gate.parquet").values())
    questions = [each for each in extractions(scenes[:12], PhraseMeanings.load()) if each.wanted == 0]
    asked: list[Asked] = [ask([question], RATE)[0] for question in questions]
    right = scorers.assess(asked, [Stems(each.target, each.rest) for each in asked])
    wrong = scorers.assess(asked, [Stems(each.rest, each.target) for each in asked])
    better = [one.text_audio > other.text_audio for one, other in zip(right, wrong, strict=True)]
    assert np.mean(better) > 0.7
    for found, by_truth in zip(
        right, ByTruth().assess(asked, [Stems(a.target, a.rest) for a in asked]), strict=True
    ):
        assert found.target == by_truth.target
        assert math.isnan(found.production_quality)
        assert math.isnan(found.audio_visual)


def test_answers_by_other_models_are_kept_apart() -> None:
    embedded = Profile.load("embedded")
    other = {**embedded.models, TEXT_AUDIO: {"adapter": "label_bridge", "temperature": 0.1}}
    assert Scorers(embedded).version != Scorers(embedded.model_copy(update={"models": other})).version
    assert Scorers(embedded).version != ByTruth().version


def test_what_is_seen_under_the_mask_counts_where_there_is_one(watching: Profile, tmp_path: Path) -> None:
    write_video(tmp_path / "media" / "avspeech" / "street.mp4", 6.0)
    table = write_table(
        tmp_path / "bench.parquet",
        row("street", "others-50:text-only", mask_bytes=mask_bytes()),
        row("street", "others-50:text-only", description="cat meowing"),
    )
    benchmark = read_hub_set(table, tmp_path / "media", SETTINGS, 9, skip_missing=False)
    scorers = Scorers(watching)
    contest = Contest(tmp_path / "answers", RATE, scorers)
    trial = Trial(benchmark, contest, Halving("half", 0), None, (), scorers.roles)
    trial.hold()
    (visual,) = (table for table in trial.tables() if table.measure is VISUAL)
    found = visual.rows[0].figures[MIXTURE.name]
    assert found is not None
    assert found.rows == 1  # the other row has no mask
    assert 0 < found.mean.value < 1
    assert (
        replace(trial, roles=(TEXT_AUDIO,)).why_not(VISUAL)
        == "the profile has no model for the role audio_visual_scorer"
    )


def test_nothing_to_be_seen_is_said(watching: Profile, tmp_path: Path) -> None:
    write_video(tmp_path / "media" / "avspeech" / "street.mp4", 6.0)
    table = write_table(tmp_path / "bench.parquet", row("street", "others-50:text-only"))
    benchmark = read_hub_set(table, tmp_path / "media", SETTINGS, 9, skip_missing=False)
    contest = Contest(tmp_path / "answers", RATE)
    trial = Trial(benchmark, contest, Halving("half", 0), None, (), (AUDIO_VISUAL,))
    assert trial.why_not(VISUAL) == "nothing is to be seen in these recordings"
