from __future__ import annotations

import random
from collections import Counter

import pytest

from manifests.catalogue.drawing import (
    REAL_MIXTURE,
    SCENE_TYPES,
    SPEECH_SPEECH,
    could_be_mistaken,
    draw_recording,
    draw_sources,
    has_voice,
)
from manifests.catalogue.recordings import SPLITS, clips_of

DRAWS = 1500
KINDS = [kind for kind in SCENE_TYPES if kind != REAL_MIXTURE]


@pytest.fixture(scope="module", params=SPLITS)
def drawn(request: pytest.FixtureRequest) -> tuple[str, list]:
    rng = random.Random(1)
    return request.param, [draw_sources(request.param, KINDS[i % len(KINDS)], rng) for i in range(DRAWS)]


def test_a_scene_has_two_to_four_sources_of_its_type_and_split(drawn: tuple[str, list]) -> None:
    split, scenes = drawn
    for i, sources in enumerate(scenes):
        first, second = KINDS[i % len(KINDS)].split("_")
        kinds = ["music" if source[0].category == "instrument" else source[0].category for source in sources]
        assert kinds[:2] == [first, second]
        assert set(kinds[2:]) <= {"sound"}
        assert len(sources) <= 4
        assert {clip.split for source in sources for clip in source} == {split}


def test_no_two_sources_could_be_taken_for_each_other(drawn: tuple[str, list]) -> None:
    for sources in drawn[1]:
        clips = [source[0] for source in sources]
        assert not any(could_be_mistaken(a, b) for i, a in enumerate(clips) for b in clips[:i])
        assert len({clip.label for clip in clips}) == len(clips)
        assert sum(has_voice(clip) for clip in clips) <= 1


def test_the_pieces_of_a_source_are_one_speaker_or_one_clip(drawn: tuple[str, list]) -> None:
    for sources in drawn[1]:
        for source in sources:
            if source[0].category == "speech":
                assert len({clip.speaker for clip in source}) == 1
                assert len(set(source)) == len(source)
            else:
                assert len(set(source)) == 1


def test_labels_come_equally_often_however_many_clips_they_have(drawn: tuple[str, list]) -> None:
    split, scenes = drawn
    labels = Counter(source[0].label for sources in scenes for source in sources)
    sounds = {clip.label for clip in clips_of(split) if clip.category == "sound"}
    drawn_sounds = sum(labels[label] for label in sounds)
    assert max(labels[label] for label in sounds) < 4 * drawn_sounds / len(sounds)
    speech = [labels[clip] for clip in ("a man speaking", "a woman speaking")]
    assert 0.75 < speech[0] / speech[1] < 1.33


def test_a_recording_that_is_a_mixture_is_music_without_a_voice() -> None:
    for split in SPLITS:
        clip = draw_recording(split, random.Random(2))
        assert clip.category == "music"
        assert clip.split == split
        assert not has_voice(clip)


def test_ten_consecutive_scenes_hold_every_type() -> None:
    assert Counter(SCENE_TYPES) == {
        "speech_sound": 3,
        "speech_music": 2,
        "sound_sound": 2,
        "music_sound": 2,
        "real_mixture": 1,
    }


@pytest.mark.parametrize("split", SPLITS)
def test_two_speakers_are_a_woman_and_a_man_in_either_order(split: str) -> None:
    rng = random.Random(1)
    first = Counter()
    for _ in range(100):
        one, other = draw_sources(split, SPEECH_SPEECH, rng)
        assert {one[0].label, other[0].label} == {"a woman speaking", "a man speaking"}
        assert all(len({clip.speaker for clip in source}) == 1 for source in (one, other))
        first[one[0].label] += 1
    assert min(first.values()) > 30
