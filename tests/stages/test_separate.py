from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from binding import bound

from dataengine.engine.batch import Batch
from dataengine.models.roles import Prompt, Stems
from stages.separate import Separate


def candidates(mixture: np.ndarray, *prompts: tuple[str, bool]) -> Batch:
    return Batch(
        {
            "mixture": [mixture] * len(prompts),
            "text": [text for text, _ in prompts],
            "speech_prompt": np.array([speech for _, speech in prompts]),
        }
    )


def test_target_and_residual_add_up_to_the_mixture(scenes) -> None:
    stage = bound(Separate())
    for scene in scenes("gate")[:6]:
        batch = stage.process(candidates(scene.mixture, ("woman speaking", True), ("dog barking", False)))
        for target, residual in zip(batch["target"], batch["residual"], strict=True):
            assert np.abs(scene.mixture - target - residual).max() < 1e-5


def test_a_speech_prompt_takes_the_voice_and_another_prompt_the_rest(scenes) -> None:
    stage = bound(Separate())
    better = []
    for scene in scenes("gate", "speech_sound", "speech_music"):
        batch = stage.process(candidates(scene.mixture, ("speech", True), ("music", False)))
        voice = scene.stem("speech")
        better += [
            np.corrcoef(batch["target"][0], voice)[0, 1] > np.corrcoef(scene.mixture, voice)[0, 1],
            np.corrcoef(batch["target"][1], voice)[0, 1] < np.corrcoef(scene.mixture, voice)[0, 1],
        ]
    assert len(better) >= 10
    assert np.mean(better) >= 0.8


def test_what_the_separator_expects_to_have_gained_is_a_score_and_null_where_it_does_not_say(scenes) -> None:
    stage = bound(Separate())
    (scene, *_) = scenes("gate")
    batch = stage.process(candidates(scene.mixture, ("speech", True), ("music", False)))
    assert np.isfinite(batch["expected_gain_db"]).all()
    stage._separator = Leaky(0.0)
    assert np.isnan(stage.process(candidates(scene.mixture, ("speech", True)))["expected_gain_db"]).all()


class Leaky:
    """A separator that generates both stems, each with an error of its own."""

    def __init__(self, error: float, samples: int = 0) -> None:
        self._error, self._samples = error, samples

    def separate(
        self, mixtures: Sequence[np.ndarray], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        return [Stems(np.append(m * (0.5 + self._error), np.zeros(self._samples)), m * 0.5) for m in mixtures]


@pytest.mark.parametrize(
    ("separator", "said"),
    [(Leaky(0.1), "off the mixture by -20.0 dB"), (Leaky(0, 3), "samples"), (Leaky(np.nan), "no numbers")],
)
def test_stems_that_cannot_be_right_are_refused(separator: Leaky, said: str) -> None:
    stage = bound(Separate())
    stage._separator = separator
    mixture = np.random.default_rng(0).normal(0, 0.1, 1600)
    with pytest.raises(ValueError, match=said):
        stage.process(candidates(mixture, ("speech", True)))


def test_a_separator_need_not_promise_the_sum() -> None:
    stage = bound(Separate(highest_remix_error_db=None))
    stage._separator = Leaky(0.1)
    batch = stage.process(candidates(np.ones(1600), ("speech", True)))
    assert batch["target"][0] == pytest.approx(np.full(1600, 0.6))
