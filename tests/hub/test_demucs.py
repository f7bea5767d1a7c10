"""Demucs: against the package's own `apply_model`, on its own network with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demucs_checkpoints import SOURCES, make_network, write_pickle, write_repository, write_safetensors

from dataengine.errors import UserError
from dataengine.models.roles import Prompt

pytestmark = pytest.mark.hub

OWN_RATE = 44_100
PROMPTS = [
    Prompt("man", speech=True),
    Prompt("snare drum playing"),
    Prompt("bass guitar playing"),
    Prompt("dog barking"),
]
STEMS = ["vocals", "drums", "bass", "other"]
WEIGHTS = [[1.0, 0.0, 0.5, 1.0], [0.0, 1.0, 0.5, 1.0]]


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return {"0123abcd": make_network(0), "4567cdef": make_network(1)}


@pytest.fixture(scope="module")
def mixtures(real_recordings) -> list[np.ndarray]:
    """Taken for what they would be at the network's rate; up to 5 s, two and a half segments."""
    return [each[: 5 * OWN_RATE] for each in real_recordings[:5]]


@pytest.fixture(scope="module")
def expected(networks, mixtures) -> list[dict[str, np.ndarray]]:
    """For each mixture its stems, by the first network alone."""
    return [split(networks["0123abcd"], each) for each in mixtures]


def split(model: Any, mixture: np.ndarray) -> dict[str, np.ndarray]:
    """As the package's `Separator` does: stereo at a level of its own."""
    import torch
    from demucs.apply import apply_model

    stereo = torch.tensor(mixture).expand(2, -1)
    mean, spread = stereo.mean(0).mean(), stereo.mean(0).std() + 1e-8
    found = apply_model(model, ((stereo - mean) / spread)[None], shifts=0)[0] * spread + mean
    return dict(zip(SOURCES, found.mean(1).numpy(), strict=True))


def test_stems_are_the_packages_own_whatever_else_is_in_the_call(
    networks, mixtures, expected, load_model, tmp_path
):
    weights = write_pickle(networks["0123abcd"], tmp_path / "0123abcd.th")
    separator = load_model("separator", "demucs", weights=str(weights))
    asked = [(mixture, prompt) for mixture in mixtures for prompt in PROMPTS]
    found = iter(separator.separate(*zip(*asked, strict=True), OWN_RATE))
    for mixture, stems_of in zip(mixtures, expected, strict=True):
        assert np.std([stems_of[stem] for stem in STEMS], axis=0).max() > 1e-3  # stems are told apart
        for stem, stems in zip(STEMS, found, strict=False):
            np.testing.assert_allclose(stems.target, stems_of[stem], atol=1e-5)
            np.testing.assert_allclose(stems.target + stems.residual, mixture, atol=1e-6)
    (music,) = separator.separate([mixtures[0].copy()], [Prompt("music")], OWN_RATE)
    together = sum(expected[0][stem] for stem in ("drums", "bass", "other"))
    np.testing.assert_allclose(music.target, together, atol=1e-5)


def test_networks_of_a_repository_answer_together_as_its_table_says(
    networks, mixtures, load_model, tmp_path, monkeypatch
):
    from demucs.apply import BagOfModels

    write_repository(networks, WEIGHTS, tmp_path / "adefossez" / "HTDemucs-ft")
    monkeypatch.setenv("DATAENGINE_MIRROR", str(tmp_path))
    separator = load_model("separator", "demucs", weights="hf://adefossez/HTDemucs-ft")
    assert separator.card.licence == "MIT"
    expected = split(BagOfModels(list(networks.values()), WEIGHTS), mixtures[0])
    found = separator.separate([mixtures[0]] * len(PROMPTS), PROMPTS, OWN_RATE)
    for stem, stems in zip(STEMS, found, strict=True):
        np.testing.assert_allclose(stems.target, expected[stem], atol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 700])
def test_short_mixtures_keep_their_length(networks, load_model, tmp_path, length):
    weights = write_safetensors(networks["0123abcd"], tmp_path / "one.safetensors")
    separator = load_model("separator", "demucs", weights=str(weights))
    (stems,) = separator.separate([np.full(length, 0.1, np.float32)], [Prompt("drums")], 48_000)
    assert stems.target.shape == (length,)
    assert np.isfinite(stems.target).all()


def test_a_file_that_names_another_class_is_not_built(networks, load_model, tmp_path):
    harmful = write_safetensors(
        networks["0123abcd"],
        tmp_path / "harmful.safetensors",
        klass="os.mkdir",
        args=f'["{tmp_path / "harmed"}"]',
        kwargs="{}",
    )
    with pytest.raises(UserError, match="it names another class"):
        load_model("separator", "demucs", weights=str(harmful))
    assert not (tmp_path / "harmed").exists()


def test_a_pickle_that_names_another_class_is_not_read(load_model, tmp_path):
    import torch

    torch.save({"klass": Path, "args": ("x",), "kwargs": {}, "state": {}}, tmp_path / "other.th")
    with pytest.raises(UserError, match="cannot be read as a checkpoint of tensors"):
        load_model("separator", "demucs", weights=str(tmp_path / "other.th"))


def test_a_repository_that_lacks_a_network_is_one_line(networks, load_model, tmp_path):
    folder = write_repository(networks, WEIGHTS, tmp_path / "torn")
    (folder / "4567cdef.safetensors").unlink()
    with pytest.raises(UserError, match=r"torn lacks the file 4567cdef\.safetensors"):
        load_model("separator", "demucs", weights=str(folder))


def test_a_network_without_vocals_is_refused(load_model, tmp_path):
    drummer = make_network(0, ["drums", "other"])
    weights = write_safetensors(drummer, tmp_path / "drummer.safetensors")
    with pytest.raises(UserError, match="has the stems drums, other, and no vocals among them"):
        load_model("separator", "demucs", weights=str(weights))


def test_weights_of_another_shape_are_one_line(networks, load_model, tmp_path):
    wider = '{"sources": ["vocals", "other"], "channels": 16}'
    torn = write_safetensors(networks["0123abcd"], tmp_path / "torn.safetensors", args="[]", kwargs=wider)
    with pytest.raises(UserError, match=r"torn\.safetensors cannot be loaded as a network of Demucs"):
        load_model("separator", "demucs", weights=str(torn))
