"""A trained separator in a pipeline's profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Prompt
from trainer.codec import MdctConfig
from trainer.flow.sampling import SamplingConfig
from trainer.model import SeparationModel
from trainer.presets import PRESETS
from trainer.separator import Prompted, Separator, SeparatorConfig

RATE = 16_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A separator as training leaves it; its network does something, if nothing sensible."""
    config = SeparatorConfig(PRESETS["tiny"], MdctConfig(), sampling=SamplingConfig("euler", 1))
    model = SeparationModel(config.model)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.05)
    Separator(config, model).save_pretrained(tmp_path / "separator")
    return tmp_path / "separator"


def profile_of(folder: Path, **options: object) -> ProfileModels:
    embedded = Profile.load("embedded")
    entry = {"adapter": "trained", "folder": str(folder), **options}
    return ProfileModels(embedded.model_copy(update={"models": {**embedded.models, "separator": entry}}))


@pytest.fixture
def mixture(real_sound) -> np.ndarray:
    return (real_sound("speech", seconds=2.3) + real_sound("instrument", "banjo", seconds=2.3)).numpy()


def test_a_profile_separates_as_the_folder_does(folder, mixture):
    found = (
        profile_of(folder).load("separator").separate([mixture] * 2, [Prompt("banjo"), Prompt("rain")], RATE)
    )
    for text, stems in zip(("banjo", "rain"), found, strict=True):
        target, _ = Separator.from_pretrained(folder).separate(mixture, sample_rate=RATE, text=text)
        np.testing.assert_allclose(stems.target, target, atol=1e-5)
        np.testing.assert_allclose(stems.target + stems.residual, mixture, atol=1e-6)
        assert stems.expected_gain_db is None


def test_heard_twice_it_is_in_doubt(folder, mixture):
    (stems,) = profile_of(folder, shifts=2).load("separator").separate([mixture], [Prompt("banjo")], RATE)
    assert stems.expected_gain_db is not None
    once = Separator.from_pretrained(folder)
    (heard,) = once.hear([Prompted(mixture, "banjo")])
    assert not heard.doubt.any()
    assert np.abs(stems.target - heard.target).max() > 1e-4


def test_spans_reach_the_separator(folder, mixture):
    separator = profile_of(folder).load("separator")
    prompts = [Prompt("banjo"), Prompt("banjo", spans=((0.2, 0.5),))]
    without, within = separator.separate([mixture] * 2, prompts, RATE)
    assert without.target.shape == within.target.shape == mixture.shape


def test_provenance_tells_one_training_from_another(folder):
    (digest,) = {profile_of(folder).provenance(("separator",))["separator"]["digest"] for _ in range(2)}
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"steps": 1', '"steps": 2'))
    copy = folder.rename(folder.parent / "other")
    assert profile_of(copy).provenance(("separator",))["separator"]["digest"] != digest


def test_a_folder_without_a_separator_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"config\.json is missing; make one with `dataengine train`"):
        profile_of(tmp_path).provenance(("separator",))


def test_speech_is_left_to_the_enhancer_and_the_rest_is_searched_for_what_else_is_asked(folder, mixture):
    embedded = Profile.load("embedded")

    def separator(name: str, **options: str | int) -> object:
        models = {**embedded.models, "separator": {"adapter": name, **options}}
        return ProfileModels(embedded.model_copy(update={"models": models})).load("separator")

    prompts = [Prompt("banjo"), Prompt("woman speaking", speech=True), Prompt("rain")]
    both = separator("enhancer_and_trained", folder=str(folder), shifts=2)
    found = both.separate([mixture] * 3, prompts, RATE)
    rest, speech, _ = separator("enhancer_router").separate([mixture] * 3, prompts, RATE)
    trained = separator("trained", folder=str(folder), shifts=2)
    banjo, rain = trained.separate([rest.target] * 2, [prompts[0], prompts[2]], RATE)
    for stems, expected in zip(found, (banjo, speech, rain), strict=True):
        np.testing.assert_allclose(stems.target, expected.target, atol=1e-5)
        np.testing.assert_allclose(stems.target + stems.residual, mixture, atol=1e-6)
    assert len(both.separate([mixture], prompts[:1], RATE)) == 1
    assert found[1].expected_gain_db == speech.expected_gain_db
    doubts = [np.sum(each.residual**2) / 10 ** (each.expected_gain_db / 10) for each in (rest, banjo)]
    in_decibels = 10 * np.log10(np.sum(found[0].residual ** 2) / sum(doubts))
    assert found[0].expected_gain_db == pytest.approx(in_decibels, abs=0.01)
