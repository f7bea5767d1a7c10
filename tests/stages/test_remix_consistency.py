from __future__ import annotations

import numpy as np
import pytest
from binding import bound
from hypothesis import given
from hypothesis import strategies as st
from true_scenes import RATE, Scenes

from dataengine.engine.batch import Batch
from stages.remix_consistency import RemixConsistency, remix


def candidates(targets: list, residuals: list) -> Batch:
    return Batch(
        {
            "sample_id": [f"{number:032x}" for number in range(len(targets))],
            "target": targets,
            "residual": residuals,
            "text": ["speech"] * len(targets),
            "speech_prompt": np.ones(len(targets), dtype=bool),
        }
    )


@pytest.fixture(scope="module")
def true_stems(scenes: Scenes) -> tuple[list, list]:
    chosen = scenes("calibrate", "speech_sound", "speech_music")[:8]
    voices = [scene.stem("speech") for scene in chosen]
    return voices, [scene.mixture - voice for scene, voice in zip(chosen, voices, strict=True)]


@given(st.integers(0, 2**64 - 1))
def test_the_residual_is_moved_and_its_level_changed_a_little(seed: int) -> None:
    click = np.zeros(RATE, dtype=np.float32)
    click[0] = 0.1
    mixture = remix(np.zeros_like(click), click, seed)
    (place,) = np.flatnonzero(mixture)
    assert RATE / 4 <= place <= RATE * 3 / 4
    assert abs(20 * np.log10(mixture[place] / 0.1)) <= 5.001
    np.testing.assert_array_equal(mixture, remix(np.zeros_like(click), click, seed))


def test_seeds_draw_different_shifts_and_gains() -> None:
    click = np.zeros(RATE, dtype=np.float32)
    click[0] = 0.1
    remixes = [remix(np.zeros_like(click), click, seed) for seed in range(200)]
    places = [np.argmax(each) / RATE for each in remixes]
    gains = [20 * np.log10(each.max() / 0.1) for each in remixes]
    assert np.ptp(places) > 0.45
    assert min(gains) < -4.5
    assert max(gains) > 4.5


def test_a_remix_stays_within_full_scale() -> None:
    loud = np.random.default_rng(0).uniform(-1, 1, RATE).astype(np.float32)
    mixture = remix(loud, loud[::-1], 1)
    assert np.abs(mixture).max() == pytest.approx(1)


def test_true_stems_are_found_again_better_than_stems_that_leak(true_stems) -> None:
    stage = bound(RemixConsistency())
    voices, rests = true_stems
    halves = [
        (0.6 * voice + 0.4 * rest, 0.4 * voice + 0.6 * rest)
        for voice, rest in zip(voices, rests, strict=True)
    ]
    of_true = stage.process(candidates(voices, rests))["remix_consistency_db"]
    of_halves = stage.process(candidates(*map(list, zip(*halves, strict=True))))["remix_consistency_db"]
    assert np.mean(of_true > of_halves) >= 0.85
    assert ((of_true >= -30) & (of_true <= 30)).all()


def test_the_draw_belongs_to_the_sample_and_to_the_seed_of_the_run(true_stems) -> None:
    voices, rests = true_stems
    batch = candidates(voices[:2], rests[:2])
    stage = bound(RemixConsistency())
    together = stage.process(batch)["remix_consistency_db"]
    last = stage.process(batch.slice(1, 2))["remix_consistency_db"]
    assert last[0] == pytest.approx(together[1], abs=1e-3)
    renamed = batch.with_columns(sample_id=list(reversed(batch["sample_id"])))
    assert (stage.process(renamed)["remix_consistency_db"] != together).all()
    assert (bound(RemixConsistency(), seed=1).process(batch)["remix_consistency_db"] != together).all()


def test_silence_is_consistent_with_nothing(true_stems) -> None:
    voice = true_stems[0][0]
    silence = np.zeros_like(voice)
    scores = bound(RemixConsistency()).process(candidates([voice, silence], [silence, voice]))
    assert np.isnan(scores["remix_consistency_db"]).all()
