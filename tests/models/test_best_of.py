"""Candidates of the seed separator on real mixtures, ranked by the embedded text–audio scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Prompt

RATE = 16_000
TRAINED = {"adapter": "trained", "steps": 4}
TEXTS = ("speech", "dog barking", "piano playing", "rain")


def models_with(separator: dict[str, Any]) -> ProfileModels:
    embedded = Profile.load("embedded")
    return ProfileModels(embedded.model_copy(update={"models": {**embedded.models, "separator": separator}}))


def best_of(candidates: int, of: dict[str, Any] = TRAINED) -> ProfileModels:
    return models_with({"adapter": "best_of", "candidates": candidates, "of": of})


@pytest.fixture(scope="module")
def mixtures(speech_in_sounds):
    return [mixture for _, mixture in speech_in_sounds[:4]]


@pytest.fixture(scope="module")
def prompts():
    return [Prompt(text) for text in TEXTS]


@pytest.fixture(scope="module")
def drawn(mixtures, prompts):
    """For each of three seeds what the separator answers by itself."""
    separator = models_with(TRAINED).load("separator")
    seeded = [[Prompt(each.text, seed=seed) for each in prompts] for seed in range(3)]
    return [separator.separate(mixtures, each, RATE) for each in seeded]


def test_one_candidate_is_what_the_separator_answers(mixtures, prompts, drawn):
    found = best_of(1).load("separator").separate(mixtures, prompts, RATE)
    for stems, alone in zip(found, drawn[0], strict=True):
        np.testing.assert_array_equal(stems.target, alone.target)


def test_of_several_candidates_the_one_that_agrees_best_with_the_text_is_the_answer(mixtures, prompts, drawn):
    models = best_of(3)
    scorer = models.load("text_audio_scorer")
    scores = np.array(
        [[each.clip for each in scorer.score(TEXTS, [s.target for s in stems], RATE)] for stems in drawn]
    )
    assert np.ptp(scores, axis=0).max() > 1e-3  # seeds make a difference
    best = scores.argmax(axis=0)
    assert best.any()  # and the first is not always the best
    found = models.load("separator").separate(mixtures, prompts, RATE)
    for place, stems in enumerate(found):
        np.testing.assert_array_equal(stems.target, drawn[best[place]][place].target)
        np.testing.assert_allclose(stems.target + stems.residual, mixtures[place], atol=1e-6)


def test_what_is_chosen_does_not_depend_on_what_else_is_asked(mixtures, prompts):
    separator = best_of(3).load("separator")
    together = separator.separate(mixtures, prompts, RATE)
    backwards = separator.separate([each.copy() for each in mixtures[::-1]], prompts[::-1], RATE)[::-1]
    (alone,) = separator.separate([mixtures[2].copy()], [prompts[2]], RATE)
    for one, other in [*zip(together, backwards, strict=True), (together[2], alone)]:
        np.testing.assert_array_equal(one.target, other.target)


def test_a_prompt_without_text_is_answered_by_the_first_candidate(mixtures, drawn):
    spans = Prompt(spans=((0.5, 1.0),))
    (alone,) = models_with(TRAINED).load("separator").separate(mixtures[:1], [spans], RATE)
    found = best_of(3).load("separator").separate(mixtures[:2], [spans, Prompt(TEXTS[1])], RATE)
    np.testing.assert_array_equal(found[0].target, alone.target)
    assert best_of(3).load("separator").separate([], [], RATE) == []


def test_provenance_tells_the_separator_and_the_scorer(tmp_path: Path):
    provenance = best_of(3).provenance(("separator",))
    assert set(provenance) == {"separator", "text_audio_scorer", "text_encoder", "tagger"}
    assert provenance["separator"]["options"]["of"]["steps"] == 4
    alone = models_with(TRAINED).provenance(("separator",))["separator"]
    assert alone["source"] in provenance["separator"]["source"]
    assert provenance["separator"]["digest"] != alone["digest"]


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ("{adapter: trainde}", "of in adapter 'best_of': unknown adapter 'trainde'; did you mean 'trained'?"),
        ("{adapter: yamnet}", "adapter 'yamnet' fills the role 'tagger', not 'separator'"),
        ("{steps: 4}", "the separator lacks the key 'adapter'"),
        ("{adapter: trained, steps: '4'}", "of.steps in adapter 'best_of' should be a valid integer"),
        ("{adapter: enhancer_router}", "'best_of' is built from a enhancer"),
    ],
)
def test_a_mistake_in_the_separator_is_one_line(tmp_path: Path, of, says):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nsample_rate: 16000\nmodels:\n"
        "  tagger: {adapter: yamnet}\n  text_encoder: {adapter: minilm}\n"
        "  text_audio_scorer: {adapter: label_bridge}\n"
        f"  separator: {{adapter: best_of, of: {of}}}\n"
    )
    with pytest.raises(UserError) as caught:
        Profile.load(str(path))
    assert str(caught.value).startswith(f"{path}:7: ")
    assert says in str(caught.value)
