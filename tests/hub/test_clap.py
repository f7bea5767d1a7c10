"""CLAP through both libraries: against the libraries called directly, and against each other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clap_checkpoints import TEXTS, Claps
from written_profiles import RATE, models_of

from dataengine.errors import UserError

pytestmark = pytest.mark.hub

WINDOW = 10 * RATE


@pytest.fixture(scope="module")
def expected(claps: Claps, real_recordings) -> np.ndarray:
    """[texts, recordings]: the package called directly, a window at a time."""
    texts = claps.module.get_text_embedding(list(TEXTS), use_tensor=False)
    return np.stack([texts @ mean_of_windows(claps.module, each) for each in real_recordings], axis=1)


def mean_of_windows(module: Any, waveform: np.ndarray) -> np.ndarray:
    import torch

    windows = [waveform]
    if len(waveform) > WINDOW:
        whole = len(waveform) // WINDOW
        windows = [waveform[i * WINDOW : (i + 1) * WINDOW] for i in range(whole)]
        windows += [waveform[-WINDOW:]] if len(waveform) % WINDOW else []
    with torch.inference_mode():
        heard = [module.get_audio_embedding_from_data([torch.tensor(w)], use_tensor=True) for w in windows]
    return torch.cat(heard).mean(dim=0).numpy()


@pytest.fixture(scope="module", params=["laion_clap", "clap"])
def scorer(request, claps: Claps, tmp_path_factory) -> Any:
    weights = {
        "clap": {"weights": str(claps.folder)},
        "laion_clap": {"weights": str(claps.checkpoint), "text_tower": str(claps.text_tower)},
    }
    entry = {"adapter": request.param, **weights[request.param]}
    return models_of(tmp_path_factory.mktemp("profile"), {"text_audio_scorer": entry}).load(
        "text_audio_scorer"
    )


def clips(scorer: Any, texts: list[str], waveforms: list[np.ndarray]) -> list[float]:
    return [score.clip for score in scorer.score(texts, waveforms, RATE)]


def test_scores_are_the_packages_own_whatever_else_is_in_the_call(scorer, expected, real_recordings):
    number = np.arange(len(real_recordings)) % len(TEXTS)
    wanted = expected[number, np.arange(len(real_recordings))]
    assert np.ptp(expected, axis=1).max() > 1e-3  # recordings are told apart at all
    assert np.ptp(expected, axis=0).max() > 1e-3  # and texts
    texts = [TEXTS[each] for each in number]
    together = clips(scorer, texts, real_recordings)
    np.testing.assert_allclose(together, wanted, atol=1e-4)
    order = np.random.default_rng(0).permutation(len(texts))[:7]
    some = clips(scorer, [texts[i] for i in order], [real_recordings[i].copy() for i in order])
    np.testing.assert_allclose(some, wanted[order], atol=1e-4)
    alone = clips(scorer, [texts[0]], [real_recordings[0].copy()])
    np.testing.assert_allclose(alone, wanted[:1], atol=1e-4)


def test_a_long_recording_scores_the_same_each_time(scorer, real_recordings):
    longest = max(real_recordings, key=len)
    assert len(longest) > 2 * WINDOW
    assert clips(scorer, [TEXTS[0]], [longest]) == clips(scorer, [TEXTS[0]], [longest.copy()])


def test_a_recording_without_samples_scores_as_silence(scorer):
    nothing, silence = clips(scorer, [TEXTS[1]] * 2, [np.zeros(0, np.float32), np.zeros(WINDOW, np.float32)])
    assert nothing == pytest.approx(silence, abs=1e-5)


def test_a_tokenizer_of_another_vocabulary_is_refused(claps: Claps, load_model, tmp_path):
    """What transformers makes of a folder without vocabulary: a tokenizer that knows five tokens."""
    from transformers import RobertaConfig, RobertaTokenizer

    RobertaTokenizer().save_pretrained(tmp_path)
    RobertaConfig.from_pretrained(claps.text_tower).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"has 5 tokens and the text tower \d+: they do not belong together"):
        load_model("text_audio_scorer", "laion_clap", weights=str(claps.checkpoint), text_tower=str(tmp_path))


def test_a_checkpoint_of_another_audio_tower_is_one_line(claps: Claps, load_model):
    with pytest.raises(UserError, match="is no unfused CLAP with the audio tower HTSAT-base") as caught:
        load_model(
            "text_audio_scorer",
            "laion_clap",
            weights=str(claps.checkpoint),
            text_tower=str(claps.text_tower),
            audio_tower="HTSAT-base",
        )
    assert "\n" not in str(caught.value)


def test_a_clap_that_fuses_random_crops_is_refused(claps: Claps, load_model, tmp_path):
    from transformers import ClapFeatureExtractor, ClapProcessor

    shutil.copytree(claps.folder, tmp_path / "fused")
    processor = ClapProcessor.from_pretrained(claps.folder)
    processor.feature_extractor = ClapFeatureExtractor(truncation="fusion")
    processor.save_pretrained(tmp_path / "fused")
    with pytest.raises(UserError, match="its scores do not repeat"):
        load_model("text_audio_scorer", "clap", weights=str(tmp_path / "fused"))


def test_a_checkpoint_that_lacks_weights_is_refused(claps: Claps, load_model, tmp_path):
    """transformers itself would fill them with random numbers."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(claps.folder, tmp_path / "torn")
    weights = load_file(claps.folder / "model.safetensors")
    del weights["audio_projection.linear1.weight"]
    save_file(weights, tmp_path / "torn" / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"it lacks 1 tensors, audio_projection\.linear1\.weight first"):
        load_model("text_audio_scorer", "clap", weights=str(tmp_path / "torn"))


def test_a_pickle_that_runs_code_is_not_run(claps: Claps, load_model, tmp_path):
    harmful = tmp_path / "harmful.pt"
    torch_save(Harmful(tmp_path / "harmed"), harmful)
    with pytest.raises(UserError, match="cannot be read as a checkpoint of tensors"):
        load_model("text_audio_scorer", "laion_clap", weights=str(harmful), text_tower=str(claps.text_tower))
    assert not (tmp_path / "harmed").exists()


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def torch_save(value: Any, path: Path) -> None:
    import torch

    torch.save({"state_dict": value}, path)
