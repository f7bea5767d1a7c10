"""What a validation counts: taking sounds apart, not knowing when to listen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from dataengine.models.roles import Waveform
from trainer.data.rendering import TrainingSample
from trainer.data.span_prompts import SpanPrompt
from trainer.flow.sampling import SamplingConfig
from trainer.separator import Heard, Prompted
from trainer.training.validation import Validation, validate

RATE = 16_000


class Answering:
    """Hears in each mixture what it is told to answer."""

    sample_rate = RATE

    def __init__(self, answers: Sequence[Waveform]) -> None:
        self._answers = answers

    def hear(self, prompted: Sequence[Prompted], sampling: SamplingConfig | None = None) -> list[Heard]:
        return [
            Heard(answer, each.mixture - answer, np.zeros_like(answer))
            for each, answer in zip(prompted, self._answers, strict=True)
        ]


def sample(target: Waveform, residual: Waveform) -> TrainingSample:
    nothing = SpanPrompt((), ())
    return TrainingSample(target + residual, target, residual, "owl", nothing, (False,) * 4, 0.5, 1)


@pytest.fixture(scope="module")
def samples(real_sound) -> list[TrainingSample]:
    """An owl that meets a voice for half of its time, one that never does, and a voice alone."""
    owl, voice = real_sound("sound", "owl", 1.0).numpy(), real_sound("speech", None, 3.0).numpy()
    silence = np.zeros(3 * RATE, np.float32)
    meeting, apart, late = silence.copy(), silence.copy(), silence.copy()
    meeting[: len(owl)] = owl
    apart[: len(owl)] = owl
    late[len(owl) :] = voice[len(owl) :]
    return [sample(meeting, voice), sample(apart, late), sample(silence, voice)]


@pytest.fixture
def validated(samples, tmp_path: Path) -> Callable[[Sequence[Waveform]], Validation]:
    return lambda answers: validate(Answering(answers), samples, SamplingConfig(), tmp_path, 1)


def test_knowing_when_a_sound_is_there_is_no_gain(samples, validated):
    answers = [0.5 * each.mixture * (np.abs(each.target) > 0) for each in samples]
    found = validated(answers)
    assert found.target_gain == pytest.approx(0, abs=0.1)
    assert found.residual_gain == pytest.approx(0, abs=0.1)


def test_taking_it_apart_is(samples, validated):
    found = validated([each.target + 0.1 * each.residual for each in samples])
    assert found.target_gain == pytest.approx(20, abs=0.1)
    assert found.residual_gain > 30


def test_of_a_prompt_for_nothing_it_counts_how_silent_the_answer_is(samples, validated):
    found = validated([each.target + 0.01 * each.residual for each in samples])
    assert found.silence == pytest.approx(40, abs=0.1)
