"""Audiobox Aesthetics: against the package's own predictor, on its own network with random weights."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written_profiles import RATE, models_of

from dataengine.errors import UserError
from dataengine.models.profile import ProfileModels
from dataengine.models.waveforms import resample

pytestmark = pytest.mark.hub

OWN_RATE = 16_000


@pytest.fixture(scope="module")
def waveforms(real_recordings) -> list[np.ndarray]:
    """At the network's own rate, for the package resamples in another way."""
    return [resample(each, RATE, OWN_RATE) for each in real_recordings]


@pytest.fixture(scope="module")
def expected(audiobox_folder: Path, waveforms) -> np.ndarray:
    """[recordings, axes]: the package's predictor, a recording at a time."""
    import torch
    from audiobox_aesthetics.infer import AesPredictor
    from audiobox_aesthetics.model.aes import AesMultiOutput

    with pytest.MonkeyPatch.context() as patch:
        own = AesMultiOutput.from_pretrained
        patch.setattr(
            AesMultiOutput, "from_pretrained", lambda _: own(str(audiobox_folder))
        )  # instead of the hub's name
        predictor = AesPredictor(checkpoint_pth=None, data_col="wav")
    rows = [
        predictor.forward([{"wav": torch.tensor(each)[None], "sample_rate": OWN_RATE}])[0]
        for each in waveforms
    ]
    return np.array([[row[axis] for axis in ("PQ", "PC", "CE", "CU")] for row in rows])


@pytest.fixture(scope="module")
def models(audiobox_folder: Path, tmp_path_factory) -> ProfileModels:
    entries: dict[str, dict[str, Any]] = {
        "aesthetics_scorer": {"adapter": "audiobox", "weights": str(audiobox_folder), "windows_per_call": 3},
        "scene_complexity_scorer": {"adapter": "production_complexity"},
    }
    return models_of(tmp_path_factory.mktemp("profile"), entries)


def test_ratings_are_the_packages_own_whatever_else_is_in_the_call(models, expected, waveforms):
    assert np.ptp(expected, axis=0).min() > 1e-3  # recordings are told apart at all
    scorer = models.load("aesthetics_scorer")
    together = [astuple(each) for each in scorer.rate(waveforms, OWN_RATE)]
    np.testing.assert_allclose(together, expected, atol=1e-4)


def test_scene_complexity_is_production_complexity(models, expected, waveforms):
    some = [3, 0, 5]
    complexity = models.load("scene_complexity_scorer").complexity([waveforms[i] for i in some], OWN_RATE)
    np.testing.assert_allclose([score.clip for score in complexity], expected[some, 1], atol=1e-4)


def test_a_recording_without_samples_is_rated_as_silence(models):
    scorer = models.load("aesthetics_scorer")
    nothing, silence = scorer.rate([np.zeros(0, np.float32), np.zeros(10 * OWN_RATE, np.float32)], OWN_RATE)
    assert astuple(nothing) == pytest.approx(astuple(silence), abs=1e-4)


def test_weights_of_another_network_are_one_line(load_model, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot be loaded as Audiobox Aesthetics"):
        load_model("aesthetics_scorer", "audiobox", weights=str(tmp_path))
