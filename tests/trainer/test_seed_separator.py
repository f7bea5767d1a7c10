"""The bundled separator on recordings that had no part in its training (split `calibrate`)."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from dataengine.evaluation.metrics import si_sdr
from trainer.bundled import BUNDLED, place_of
from trainer.separator import Prompted, Separator

RATE = 16_000
SECONDS = 4.0
VOICES = (("speech", "a woman speaking", "woman speaking"), ("speech", "a man speaking", "man speaking"))
OTHERS = (
    ("sound", "owl", "owl hooting"),
    ("sound", "dog barking", "dog barking"),
    ("sound", "sheep", "sheep bleating"),
    ("sound", "rooster", "rooster crowing"),
    ("sound", "applause", "applause"),
    ("instrument", "flute", "flute playing"),
    ("instrument", "banjo", "banjo playing"),
    ("music", "medieval music loop", "music"),
)


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator.from_pretrained(BUNDLED)


@pytest.fixture(scope="module")
def answers(separator, real_sound) -> list[tuple[float, float]]:
    """Of each sound in each pair: how much nearer the truth its own prompt brings it, and the other sound's prompt."""
    gains = []
    for pair in product(VOICES, OTHERS):
        stems = [real_sound(category, label, SECONDS).numpy() for category, label, _ in pair]
        prompts = [text for _, _, text in pair]
        mixture = stems[0] + stems[1]
        heard = separator.hear([Prompted(mixture, text) for text in prompts])
        for stem, own, others in zip(stems, heard, heard[::-1], strict=True):
            before = si_sdr(mixture, stem)
            gains.append((si_sdr(own.target, stem) - before, si_sdr(others.target, stem) - before))
    return gains


def test_a_sound_that_is_asked_for_comes_out(answers):
    own = [gain for gain, _ in answers]
    assert np.mean(own) > 4
    assert np.mean(np.array(own) > 0) >= 0.8


def test_the_prompt_decides(answers):
    assert np.mean([own - other for own, other in answers]) > 8


def test_the_weights_go_into_a_package():
    weights = place_of(BUNDLED) / "model.safetensors"
    assert weights.stat().st_size < 20e6
    card = Path(place_of(BUNDLED) / "README.md").read_text()
    for word in ("license: apache-2.0", "`seed`", "SI-SDR"):
        assert word in card
