"""Contestants with known answers on scenes of tones: what is asked of whom, what is kept, what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dataengine.evaluation.asking import Asked
from dataengine.evaluation.contest import Contest, Entry
from dataengine.evaluation.contestants import (
    SPEECH_FROM_THE_REST,
    VOICE_FROM_INSTRUMENTS,
    Promptable,
    Specialist,
    enhancer_of,
)
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import absences, extractions, removals
from dataengine.evaluation.separation import (
    differences,
    gains,
    groups,
    removal_against_extraction,
    silence,
    summaries,
)
from dataengine.evaluation.strata import SEVERAL, Stratum, stratum_of
from dataengine.evaluation.true_scenes import TrueScene
from dataengine.models.profile import Profile
from dataengine.models.roles import Enhanced, Stems, Waveform
from tests.evaluation.contestants import Knowing
from tests.evaluation.made_scenes import RATE, scene, tone

MEANINGS = PhraseMeanings.load()


@pytest.fixture
def scenes(tmp_path: Path) -> list[TrueScene]:
    labels = [
        ("a woman speaking", "dog barking"),
        ("helicopter", "trumpet"),
        ("cat", "a man speaking", "steam"),
        ("cat", "steam"),
        ("singing voice", "trumpet"),
        ("a man speaking", "trumpet"),
    ]
    return [
        scene(tmp_path, f"{number}", {label: tone(200 * (place + 1)) for place, label in enumerate(each)})
        for number, each in enumerate(labels)
    ]


def test_gains_are_what_the_leak_leaves(scenes: list[TrueScene], tmp_path: Path) -> None:
    questions = extractions(scenes, MEANINGS)
    contest, contestant = Contest(tmp_path / "answers", RATE), Knowing("tenth", 0.1)
    contest.hold([Entry(contestant, questions)])
    found = gains(contest, contestant, questions, frozenset())
    two = [question.place for question in questions if len(question.scene.sources) == 2]
    assert found.loc[two, "target_gain"].to_numpy() == pytest.approx(20, abs=0.2)
    assert summaries(found.loc[two])["target_gain"].median.value == pytest.approx(20, abs=0.2)


def test_nobody_is_asked_twice(scenes: list[TrueScene], tmp_path: Path) -> None:
    questions = extractions(scenes, MEANINGS)
    first, again = Knowing("tenth", 0.1), Knowing("tenth", 0.1)
    Contest(tmp_path, RATE).hold([Entry(first, questions[:4]), Entry(first, questions[2:6])])
    assert sorted(first.asked) == sorted(question.id for question in questions[:6])
    contest = Contest(tmp_path, RATE)
    contest.hold([Entry(again, questions)])
    assert sorted(again.asked) == sorted(question.id for question in questions[6:])
    assert all(contest.worth(again, question) for question in questions)
    other = Knowing("fifth", 0.2)
    contest.hold([Entry(other, questions)])
    assert len(other.asked) == len(questions)


def test_what_was_answered_before_a_failure_is_kept(scenes: list[TrueScene], tmp_path: Path) -> None:
    class Failing(Knowing):
        def separate(self, asked: Sequence[Asked]) -> list[Stems]:
            raise RuntimeError("out of memory")

    questions = extractions(scenes, MEANINGS)
    good, again = Knowing("good", 0.1), Knowing("good", 0.1)
    with pytest.raises(RuntimeError, match="out of memory"):
        Contest(tmp_path, RATE).hold([Entry(good, questions), Entry(Failing("bad", 0.1), questions)])
    Contest(tmp_path, RATE).hold([Entry(again, questions)])
    assert len(good.asked) == len(questions)
    assert again.asked == []


def test_strata_of_questions(scenes: list[TrueScene]) -> None:
    of_text = {(each.scene.name, each.text): each for each in extractions(scenes, MEANINGS)}
    seen = {"cat meowing", "man speaking"}
    assert stratum_of(of_text["0", "dog barking"], 0.5, seen) == Stratum("sound", "speech", False, True)
    assert stratum_of(of_text["1", "trumpet playing"], 0.49, seen) == Stratum(
        "instrument", "sound", False, False
    )
    assert stratum_of(of_text["2", "cat meowing"], 1.0, seen) == Stratum("sound", SEVERAL, True, True)
    assert stratum_of(of_text["2", "man speaking"], 1.0, seen) == Stratum("speech", "sound", True, True)


def test_groups_hold_the_questions_they_name(scenes: list[TrueScene], tmp_path: Path) -> None:
    questions = extractions(scenes, MEANINGS)
    contest, contestant = Contest(tmp_path / "answers", RATE), Knowing("tenth", 0.1)
    contest.hold([Entry(contestant, questions)])
    found = gains(contest, contestant, questions, {"cat meowing", "man speaking"})
    texts = {question.place: (question.scene.name, question.text) for question in questions}
    held = {name: {texts[each] for each in some.index} for name, some in groups(found)}
    assert len(held["all"]) == len(questions)
    assert held["speech against sound"] == {("0", "woman speaking"), ("2", "man speaking")}
    assert held["sound against several"] == {("2", "cat meowing"), ("2", "steam hissing")}
    assert held["against speech"] == {("0", "dog barking"), ("5", "trumpet playing")}
    assert held["seen label"] == {
        ("2", "cat meowing"),
        ("2", "man speaking"),
        ("3", "cat meowing"),
        ("5", "man speaking"),
    }
    assert held["unseen sound against sound"] == {("3", "steam hissing")}
    assert held["rest sounds half of the time or more"] == held["all"]


class Low:
    """An enhancer that takes everything below 300 Hz for speech."""

    def enhance(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Enhanced]:
        spectra = [np.fft.rfft(each) for each in waveforms]
        for spectrum in spectra:
            spectrum[np.fft.rfftfreq(len(waveforms[0]), 1 / sample_rate) > 300] = 0
        return [Enhanced(np.fft.irfft(each).astype(np.float32)) for each in spectra]


def test_specialists_answer_on_their_ground_either_way_round(scenes: list[TrueScene], tmp_path: Path) -> None:
    questions = extractions(scenes, MEANINGS)
    speech = Specialist("speech", "speech", Low(), SPEECH_FROM_THE_REST)  # type: ignore[arg-type]
    voice = Specialist("voice", "voice", Low(), VOICE_FROM_INSTRUMENTS)  # type: ignore[arg-type]
    asked = {(each.scene.name, each.text) for each in questions if speech.answers(each)}
    assert asked == {
        ("0", "woman speaking"),
        ("0", "dog barking"),
        ("2", "man speaking"),
        ("5", "man speaking"),
        ("5", "trumpet playing"),
    }
    assert {(each.scene.name, each.text) for each in questions if voice.answers(each)} == {
        ("4", "singing"),
        ("4", "trumpet playing"),
        ("5", "man speaking"),
        ("5", "trumpet playing"),
    }
    contest = Contest(tmp_path / "answers", RATE)
    contest.hold([Entry(speech, questions)])
    found = gains(contest, speech, questions, frozenset())
    low_and_high = [each.place for each in questions if each.scene.name in "05"]
    assert found.loc[low_and_high, ["target_gain", "residual_gain"]].to_numpy().min() > 20


def test_a_specialist_for_speech_is_asked_for_speech_that_is_not_there(scenes: list[TrueScene]) -> None:
    speech = Specialist("speech", "speech", Low(), SPEECH_FROM_THE_REST)  # type: ignore[arg-type]
    for question in absences(scenes, MEANINGS):
        silent_scene = all(source.category != "speech" for source in question.scene.sources)
        assert speech.answers(question) == (question.named.category == "speech" and silent_scene)


def test_differences_are_paired(scenes: list[TrueScene], tmp_path: Path) -> None:
    questions = extractions(scenes, MEANINGS)
    contest = Contest(tmp_path / "answers", RATE)
    better, worse = Knowing("better", 0.1), Knowing("worse", 0.2)
    contest.hold([Entry(better, questions), Entry(worse, questions[1:])])
    one, other = (gains(contest, each, questions, frozenset()) for each in (better, worse))
    found = differences(one, other)
    assert found["target_gain"].rows == len(questions) - 1
    assert found["target_gain"].mean.value == pytest.approx(6.02, abs=0.1)
    assert found["target_gain"].mean.low > 5.8
    assert differences(one, other.iloc[:0]) == {}


def test_removing_the_other_is_compared_with_asking_for_it(scenes: list[TrueScene], tmp_path: Path) -> None:
    class Spoiling(Knowing):
        def separate(self, asked: Sequence[Asked]) -> list[Stems]:
            return [Stems(each.target, each.mixture - each.target + 0.1 * each.target) for each in asked]

    questions = extractions(scenes, MEANINGS)
    contest, contestant = Contest(tmp_path / "answers", RATE), Spoiling("spoiling", 0.0)
    contest.hold([Entry(contestant, questions)])
    found = gains(contest, contestant, questions, frozenset())
    compared = removal_against_extraction(found, removals(questions))
    assert compared is not None
    assert compared.rows == 10
    assert compared.mean.value < -70  # asked for it is perfect, taken out it leaves a tenth
    assert removal_against_extraction(found, {}) is None


def test_silence_is_twenty_decibels_below_the_mixture(scenes: list[TrueScene], tmp_path: Path) -> None:
    questions = absences(scenes, MEANINGS)
    contest = Contest(tmp_path / "answers", RATE)
    quiet, loud = Knowing("quiet", 0.09), Knowing("loud", 0.11)
    contest.hold([Entry(quiet, questions), Entry(loud, questions)])
    found = silence(contest, quiet, questions)
    assert found is not None
    assert found.silent.value == 1.0
    assert found.level.median.value == pytest.approx(-20.9, abs=0.1)
    other = silence(contest, loud, questions)
    assert other is not None
    assert other.silent.value == 0.0
    assert silence(contest, Knowing("absent", 0.0), questions) is None


def test_the_embedded_separator_and_its_enhancer_answer_alike(
    scenes: list[TrueScene], tmp_path: Path
) -> None:
    """The router asks the enhancer; settings and weights tell contestants apart."""
    embedded = Profile.load("embedded")
    router = embedded.model_copy(
        update={"models": {**embedded.models, "separator": {"adapter": "enhancer_router"}}}
    )
    separator, enhancer = Promptable.of_profile("separator", router), enhancer_of("DTLN", "dtln")
    questions = [each for each in extractions(scenes, MEANINGS) if each.scene.name in "05"]
    contest = Contest(tmp_path / "answers", RATE)
    contest.hold([Entry(separator, questions), Entry(enhancer, questions)])
    one, other = (gains(contest, each, questions, frozenset()) for each in (separator, enhancer))
    assert one["target_gain"].to_numpy() == pytest.approx(other["target_gain"].to_numpy(), abs=1e-6)
    assert separator.digest != enhancer.digest
    assert separator.digest == Promptable.of_profile("another name", router).digest
