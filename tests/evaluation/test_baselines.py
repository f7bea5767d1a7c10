from pathlib import Path

import numpy as np
import pytest

from dataengine.evaluation.asking import Asked, ask, worth
from dataengine.evaluation.baselines import BAND_SPLIT, BASELINES, GATE, MIXTURE, RATIO_MASK
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import absences, extractions
from dataengine.models.roles import Stems, Waveform
from tests.evaluation.made_scenes import RATE, scene, tone

MEANINGS = PhraseMeanings.load()


def asked_for_the_cat(folder: Path, cat: Waveform, helicopter: Waveform) -> Asked:
    made = scene(folder, "scene", {"cat": cat, "helicopter": helicopter})
    asked, _ = ask(extractions([made], MEANINGS), RATE)
    return asked


def gains(asked: Asked, stems: Stems) -> tuple[float, float]:
    found = worth(asked, stems)
    return found.target_gain, found.residual_gain


def test_the_mixture_gains_nothing_and_is_not_silent(tmp_path: Path) -> None:
    asked = asked_for_the_cat(tmp_path, tone(300), tone(900))
    (answer,) = MIXTURE.separate([asked])
    assert gains(asked, answer) == (0.0, 0.0)
    assert worth(asked, answer).level == pytest.approx(0.0)


def test_worth_counts_where_both_sound(tmp_path: Path) -> None:
    """An answer that is right for the half second in which the two meet, and wrong elsewhere."""
    asked = asked_for_the_cat(tmp_path, tone(300, 0, 1.5), tone(900, 1, 2))
    met = asked.overlap
    assert met is not None
    target = np.where(met.samples, asked.target, asked.mixture).astype(np.float32) / 2
    found = worth(asked, Stems(target, asked.mixture - asked.target))
    assert found.overlap == pytest.approx(1 / 3, abs=0.02)
    assert found.mixture_as_target == pytest.approx(0, abs=0.1)
    assert found.target == 100.0
    assert found.target_gain > 90
    assert found.residual_gain > 60


def test_what_never_meets_has_only_a_level(tmp_path: Path) -> None:
    apart = asked_for_the_cat(tmp_path, tone(300, 0, 0.9), tone(900, 1, 2))
    found = worth(apart, Stems(apart.mixture / 10, apart.mixture))
    assert not found.met
    assert found.level == pytest.approx(-20, abs=0.01)


def test_the_level_is_all_that_counts_for_what_is_not_there(tmp_path: Path) -> None:
    scenes = [
        scene(tmp_path, "one", {"cat": tone(300), "helicopter": tone(900)}),
        scene(tmp_path, "other", {"a man speaking": tone(300), "steam": tone(900)}),
    ]
    (asked,) = ask(absences(scenes, MEANINGS)[:1], RATE)
    assert not asked.target.any()
    found = worth(asked, Stems(np.zeros_like(asked.mixture), asked.mixture))
    assert found.level == -120.0
    assert not found.met
    told = [baseline for baseline in BASELINES if baseline.answers(asked.question)]
    assert told == [MIXTURE, RATIO_MASK]
    assert [worth(asked, *each.separate([asked])).level for each in told] == [0.0, -120.0]


def test_an_answer_of_another_length_or_without_numbers_is_an_error(tmp_path: Path) -> None:
    asked = asked_for_the_cat(tmp_path, tone(300), tone(900))
    for target in (asked.mixture[1:], np.full_like(asked.mixture, np.nan)):
        with pytest.raises(ValueError, match="no answer to 'cat meowing'"):
            worth(asked, Stems(target, asked.mixture))


def test_one_cut_through_the_spectrum_parts_what_lies_on_its_two_sides(tmp_path: Path) -> None:
    for cat, helicopter in ((300, 900), (900, 300)):
        asked = asked_for_the_cat(tmp_path, tone(cat), tone(helicopter))
        (answer,) = BAND_SPLIT.separate([asked])
        assert min(gains(asked, answer)) > 20
    chord = asked_for_the_cat(tmp_path, tone(300) + tone(1200), tone(301) + tone(1201))
    (answer,) = BAND_SPLIT.separate([chord])
    assert max(gains(chord, answer)) < 1


def test_a_gate_parts_what_takes_turns_and_nothing_that_sounds_at_once(tmp_path: Path) -> None:
    turns = tone(300, 0, 1) + tone(300, 1, 2) / 50
    asked = asked_for_the_cat(tmp_path, turns, turns[::-1].copy() * 3)
    (answer,) = GATE.separate([asked])
    assert min(gains(asked, answer)) > 15
    together = asked_for_the_cat(tmp_path, tone(300), tone(900) / 2)
    (answer,) = GATE.separate([together])
    assert gains(together, answer)[0] == pytest.approx(0.0, abs=0.01)


def test_the_oracle_mask_is_better_than_either(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = random.normal(scale=0.05, size=len(tone(1))).astype(np.float32)
    asked = asked_for_the_cat(tmp_path, tone(300) + tone(1200, 0.5, 1.2), tone(700) + noise)
    answers = [gains(asked, each.separate([asked])[0]) for each in (MIXTURE, BAND_SPLIT, GATE, RATIO_MASK)]
    assert all(answers[-1][stem] > other[stem] + 5 for other in answers[:-1] for stem in (0, 1))
