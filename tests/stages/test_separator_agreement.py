from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from binding import bound
from true_scenes import RATE, Scenes

from dataengine.engine.batch import Batch
from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Prompt
from dataengine.pipeline import Pipeline
from manifests.schema import MANIFEST_SCHEMA
from stages.separator_agreement import SeparatorAgreement

SPEECH = Prompt("speech", speech=True)


@pytest.fixture(scope="module")
def stage() -> SeparatorAgreement:
    return bound(SeparatorAgreement())


@pytest.fixture(scope="module")
def spoken(scenes: Scenes) -> list:
    return scenes("calibrate", "speech_music")[:8]


@pytest.fixture(scope="module")
def answer(spoken: list) -> tuple[np.ndarray, np.ndarray]:
    """A mixture that falls silent after half of its time, and the speech that the second separator hears in it."""
    mixture = np.where(np.arange(len(spoken[0].mixture)) < len(spoken[0].mixture) // 2, spoken[0].mixture, 0)
    second = ProfileModels(Profile.load("embedded")).load("second_separator")
    (stems,) = second.separate([mixture], [SPEECH], RATE)
    return mixture, stems.target


def candidates(mixtures: list, targets: list, text: str | None = "speech") -> Batch:
    return Batch(
        {
            "mixture": mixtures,
            "target": targets,
            "text": [text] * len(mixtures),
            "speech_prompt": np.ones(len(mixtures), dtype=bool),
        }
    )


def test_the_true_voice_agrees_with_the_second_answer_and_the_rest_does_not(stage, spoken) -> None:
    mixtures, voices = [each.mixture for each in spoken], [each.stem("speech") for each in spoken]
    rests = [mixture - voice for mixture, voice in zip(mixtures, voices, strict=True)]
    of_voices = stage.process(candidates(mixtures, voices))["separator_agreement_db"]
    of_rests = stage.process(candidates(mixtures, rests))["separator_agreement_db"]
    assert (of_voices > of_rests).all()


def test_the_score_is_how_far_the_noise_is_below_what_both_found_whatever_the_level(stage, answer) -> None:
    mixture, speech = answer
    noise = np.abs(speech) * np.random.default_rng(0).normal(0, 1, len(speech)).astype(np.float32)
    noise *= np.linalg.norm(speech) / np.linalg.norm(noise)
    targets = [speech + 0.1 * noise, 2 * (speech + 0.1 * noise), speech, noise]
    rows = stage.process(candidates([mixture] * 4, targets))
    assert rows["separator_agreement_db"][:2] == pytest.approx([20, 20], abs=0.5)
    assert rows["separator_agreement_db"][2] == 30
    assert -30 <= rows["separator_agreement_db"][3] < -15
    assert rows["separator_agreement_reason"] == [None] * 4


def test_what_is_too_soft_to_sound_does_not_count(answer) -> None:
    mixture, speech = answer
    hiss = np.random.default_rng(0).normal(0, 1, len(speech)).astype(np.float32)
    hiss[: -len(speech) // 3] = 0
    hiss *= np.sqrt(np.mean(speech**2)) / np.std(hiss[-len(speech) // 3 :])
    level = 20 * np.log10(np.abs(speech).max())
    rows = candidates([mixture], [speech + 0.3 * hiss])
    heard, unheard = (
        bound(SeparatorAgreement(level_db=each)).process(rows)["separator_agreement_db"][0]
        for each in (-80, level - 25)
    )
    assert heard < 16
    assert unheard > 25


def test_a_score_that_makes_no_sense_is_null_and_says_why(stage, answer) -> None:
    mixture, speech = answer
    silence = np.zeros_like(speech)
    rows = stage.process(candidates([mixture, silence], [silence, speech]))
    assert np.isnan(rows["separator_agreement_db"]).all()
    assert rows["separator_agreement_reason"] == [
        "the target is silent",
        "the second separator's target is silent",
    ]
    rows = stage.process(candidates([mixture], [speech], text=None))
    assert np.isnan(rows["separator_agreement_db"]).all()
    assert rows["separator_agreement_reason"] == ["the prompt has no text"]


def test_a_separator_that_would_agree_with_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text(
        "name: twice\nsample_rate: 16000\nmodels:\n  enhancer: {adapter: dtln}\n"
        "  separator: {adapter: enhancer_router}\n  second_separator: {adapter: enhancer_router}\n"
    )
    with pytest.raises(UserError, match=r"second_separator is its separator \(enhancer_router\)"):
        bound(SeparatorAgreement(), profile=str(tmp_path / "twice.yaml"))


def test_both_checks_are_criteria_and_asked_for_only_where_they_are_listed(tmp_path: Path) -> None:
    pq.write_table(MANIFEST_SCHEMA.empty_table(), tmp_path / "manifest.parquet")
    (tmp_path / "filters.yaml").write_text(
        "criteria:\n  - {score: separator_agreement_db, above: 5}\n  - {score: remix_consistency_db, above: 10}\n"
    )
    (tmp_path / "pipeline.yaml").write_text(
        "stages: [decode, caption, separate, separator_agreement, remix_consistency, filter]\n"
    )
    given = f"input={tmp_path / 'manifest.parquet'}"
    criteria = f"stages.filter.criteria={tmp_path / 'filters.yaml'}"
    assert "second_separator" in Pipeline.load(tmp_path / "pipeline.yaml", [given, criteria]).roles
    assert "second_separator" not in Pipeline.load("stages/pseudolabel.yaml", [given]).identity["models"]
