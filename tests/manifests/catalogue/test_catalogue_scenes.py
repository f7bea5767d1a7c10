from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.catalogue.audio import SCENE_RATE
from manifests.catalogue.scenes import (
    FULL_SCALE,
    SCENE_SAMPLES,
    Scene,
    as_waveform,
    build_scene,
    scene_type,
    sounding_level,
)

NUMBERS = range(20)


@pytest.fixture(scope="module", params=["pool", "calibrate", "gate", "final"])
def scenes(request: pytest.FixtureRequest, recordings: Path) -> list[Scene]:
    return [build_scene(request.param, number, seed=0, recordings=recordings) for number in NUMBERS]


@pytest.fixture(scope="module")
def laid_out(scenes: list[Scene]) -> list[Scene]:
    """Those of the scenes whose sources are known."""
    return [scene for scene in scenes if scene.type != "real_mixture"]


def test_a_scene_depends_on_split_seed_and_number_alone(scenes: list[Scene], recordings: Path) -> None:
    for number in (13, 4, 9):
        again = build_scene(scenes[0].split, number, seed=0, recordings=recordings)
        assert np.array_equal(again.mixture, scenes[number].mixture)
        assert [source.pieces for source in again.sources] == [
            source.pieces for source in scenes[number].sources
        ]
    other_seed = build_scene(scenes[0].split, 4, seed=1, recordings=recordings)
    assert not np.array_equal(other_seed.mixture, scenes[4].mixture)


def test_a_mixture_is_the_sum_of_its_stems_exactly_and_does_not_clip(laid_out: list[Scene]) -> None:
    for scene in laid_out:
        stems = [source.stem for source in scene.sources]
        assert np.array_equal(np.sum(stems, axis=0), scene.mixture)
        assert np.array_equal(
            np.sum([as_waveform(stem) for stem in stems], axis=0), as_waveform(scene.mixture)
        )
        assert max(np.abs(each).max() for each in [*stems, scene.mixture]) < FULL_SCALE


def test_a_stem_sounds_where_the_truth_says_and_nowhere_else(laid_out: list[Scene]) -> None:
    for scene in laid_out:
        for source in scene.sources:
            said = np.zeros(SCENE_SAMPLES, bool)
            for piece in source.pieces:
                assert 0 <= piece.start < piece.end <= 10
                first, last = round(piece.start * SCENE_RATE), round(piece.end * SCENE_RATE)
                assert not said[first:last].any()
                assert np.abs(source.stem[first:last]).max() > 0
                said[first:last] = True
            assert not source.stem[~said].any()


def test_the_first_two_sources_overlap_for_most_of_the_shorter(laid_out: list[Scene]) -> None:
    for scene in laid_out:
        (a, b), (c, d) = ((s.pieces[0].start, s.pieces[-1].end) for s in scene.sources[:2])
        assert min(b, d) - max(a, c) >= 0.69 * min(b - a, d - c)


def test_nothing_lies_above_the_band_of_the_scene(laid_out: list[Scene]) -> None:
    for scene in laid_out:
        assert scene.band <= max(4000, min(p.clip.sample_rate for s in scene.sources for p in s.pieces) / 2)
        power = np.abs(np.fft.rfft(as_waveform(scene.mixture))) ** 2
        edge = round(1.02 * scene.band * SCENE_SAMPLES / SCENE_RATE)
        assert power[edge:].sum() < 1e-7 * power.sum()


def test_levels_are_as_the_truth_says_and_within_the_range(laid_out: list[Scene]) -> None:
    for scene in laid_out:
        first = scene.sources[0].level_db
        for source in scene.sources:
            assert source.level_db == pytest.approx(sounding_level(as_waveform(source.stem)), abs=1e-4)
            assert abs(source.level_db - first) <= 15.1


def test_a_real_mixture_is_a_stretch_of_one_recording(scenes: list[Scene]) -> None:
    mixtures = [scene for scene in scenes if scene.type == "real_mixture"]
    assert len(mixtures) == 2
    for scene in mixtures:
        (source,) = scene.sources
        assert len(scene.mixture) <= SCENE_SAMPLES
        assert source.clip.category == "music"
        assert source.pieces[0].end == pytest.approx(len(scene.mixture) / SCENE_RATE)


def test_names_do_not_give_the_type_away(scenes: list[Scene]) -> None:
    assert [scene.type for scene in scenes] == [scene_type(number) for number in NUMBERS]
    assert scenes[3].name == f"{scenes[3].split}-000003"
