from pathlib import Path

import pytest

from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import (
    absences,
    extractions,
    removals,
    with_shuffled_captions,
    with_true_spans,
)
from dataengine.evaluation.true_scenes import TrueScene
from tests.evaluation.made_scenes import scene, tone

MEANINGS = PhraseMeanings.load()
LABELS = [
    ("a woman speaking", "dog barking"),
    ("helicopter", "trumpet"),
    ("water running", "ripples"),
    ("a man speaking", "zoop (electronic)"),
    ("cat", "a man speaking", "steam"),
    ("techno music loop", "cow"),
]


@pytest.fixture
def scenes(tmp_path: Path) -> list[TrueScene]:
    return [
        scene(tmp_path, f"{number}", {label: tone(200 * (place + 1)) for place, label in enumerate(labels)})
        for number, labels in enumerate(LABELS)
    ]


def test_each_source_is_asked_for_by_a_phrase_that_names_it_alone(scenes: list[TrueScene]) -> None:
    asked = {
        (question.scene.name, question.wanted): question.text for question in extractions(scenes, MEANINGS)
    }
    assert asked == {
        ("0", 0): "woman speaking",
        ("0", 1): "dog barking",
        ("1", 0): "helicopter flying",
        ("1", 1): "trumpet playing",
        ("3", 0): "man speaking",
        ("4", 0): "cat meowing",
        ("4", 1): "man speaking",
        ("4", 2): "steam hissing",
        ("5", 0): "music",
        ("5", 1): "cow mooing",
    }


def test_nothing_is_asked_of_scenes_that_nobody_knows(scenes: list[TrueScene]) -> None:
    source = scenes[0].sources[0]
    unknown = TrueScene("unknown", "real_mixture", 2.0, (type(source)("music", "music", (), None),), ())
    assert extractions([unknown], MEANINGS) == []
    assert absences([unknown, *scenes], MEANINGS) == absences(scenes, MEANINGS)


def test_what_is_asked_for_and_not_there_could_not_be_taken_for_what_is(scenes: list[TrueScene]) -> None:
    found = {question.scene.name: question for question in absences(scenes, MEANINGS)}
    assert set(found) == {"0", "1", "2", "4", "5"}  # who knows what a zoop may be called
    for question in found.values():
        assert question.wanted is None
        assert question.target is None
        assert not any(MEANINGS.names(question.text, label) for label in question.scene.labels)
    for speaks in ("0", "4"):
        assert found[speaks].named.category != "speech"
    assert found["5"].text != "trumpet playing"  # some would say that a trumpet is in the music
    assert found["4"].text not in ("dog barking", "cow mooing")  # as animal sounds are


def test_of_two_voices_neither_is_surely_absent_where_the_other_is(tmp_path: Path) -> None:
    scenes = [
        scene(tmp_path, "speech", {"a man speaking": tone(200), "cat": tone(400)}),
        scene(tmp_path, "laughter", {"man laughing": tone(200), "steam": tone(400)}),
    ]
    assert [question.text for question in absences(scenes, MEANINGS)] == ["steam hissing", "cat meowing"]


def test_more_scenes_leave_the_questions_about_the_others_as_they_are(scenes: list[TrueScene]) -> None:
    some = [question.id for question in extractions(scenes[:3], MEANINGS)]
    assert [question.id for question in extractions(scenes, MEANINGS)][: len(some)] == some
    assert len({question.id for question in extractions(scenes, MEANINGS)}) == 10


def test_a_shuffled_caption_is_another_scenes_and_names_something_else(scenes: list[TrueScene]) -> None:
    questions = extractions(scenes, MEANINGS)
    shuffled = with_shuffled_captions(questions, MEANINGS)
    assert [(each.scene.name, each.wanted) for each in shuffled] == [
        (each.scene.name, each.wanted) for each in questions
    ]
    for question in shuffled:
        assert question.target is not None
        assert not MEANINGS.names(question.text, question.target.label)
        assert question.named.label != question.target.label
    assert with_shuffled_captions(questions[:2], MEANINGS) == []  # both are of one scene


def test_true_spans_are_those_of_the_target(scenes: list[TrueScene], tmp_path: Path) -> None:
    late = scene(tmp_path, "late", {"cat": tone(300, 0.5, 1.5), "a man speaking": tone(500)})
    question = with_true_spans(extractions([late], MEANINGS))[0]
    ((start, end),) = question.spans
    assert (start, end) == pytest.approx((0.5, 1.5), abs=0.01)
    assert question.id != extractions([late], MEANINGS)[0].id


def test_removal_is_asking_for_the_other_one_of_two(scenes: list[TrueScene]) -> None:
    pairs = removals(extractions(scenes, MEANINGS))
    assert pairs["0", 0] == ("0", 1)
    assert pairs["0", 1] == ("0", 0)
    assert ("3", 0) not in pairs  # nobody can ask for the other
    assert ("4", 0) not in pairs  # there are two others


def test_scenes_without_leading_clips_are_evidence_of_their_own(tmp_path: Path) -> None:
    talk = scene(tmp_path, "talk", {"a man speaking": tone(200), "cat": tone(400)}, clips=())
    assert {question.clips for question in extractions([talk], MEANINGS)} == {("talk",)}
