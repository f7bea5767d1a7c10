"""PE-A-Frame as span predictor: against transformers' own processor and model."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from clap_checkpoints import TEXTS
from pe_checkpoint import write_pe_frames_folder
from written_profiles import RATE, models_of

from dataengine.errors import UserError

pytestmark = pytest.mark.hub

THRESHOLD = 0.3
HOP = 0.04


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_pe_frames_folder(tmp_path_factory.mktemp("pe"))


@pytest.fixture(scope="module")
def predictor(folder: Path, tmp_path_factory):
    entry = {"span_predictor": {"adapter": "pe_frames", "weights": str(folder)}}
    return models_of(tmp_path_factory.mktemp("profile"), entry).load("span_predictor")


def heard(folder: Path, texts: list[str], waveform: np.ndarray) -> np.ndarray:
    """[texts, frames]: the library's own word on where its probability is above the threshold."""
    from transformers import PeAudioFrameLevelModel, PeAudioProcessor

    processor = PeAudioProcessor.from_pretrained(folder)
    model = PeAudioFrameLevelModel.from_pretrained(folder).eval()
    given = processor(audio=[waveform], text=texts, sampling_rate=RATE, return_tensors="pt", padding=True)
    with torch.inference_mode():
        return (model(**given).logits_audio_text[0].sigmoid() > THRESHOLD).numpy()


def test_spans_are_where_the_librarys_probability_is_high(predictor, folder: Path, real_recordings):
    waveforms = [each[: 3 * RATE] for each in real_recordings[:4]]
    assert any(len(each) % 1920 for each in waveforms)
    pairs = [(text, waveform) for waveform in waveforms for text in TEXTS]
    found = iter(predictor.predict([text for text, _ in pairs], [each for _, each in pairs], RATE))
    shares = []
    for waveform in waveforms:
        for frames in heard(folder, list(TEXTS), waveform):
            spans = next(found)
            ends = np.minimum(np.arange(1, len(frames) + 1) * HOP, len(waveform) / RATE)
            inside = [any(start < end <= stop for start, stop in spans) for end in ends]
            np.testing.assert_array_equal(inside, frames)
            assert all(before[1] < after[0] for before, after in pairwise(spans))
            shares.append(frames.mean())
    assert 0.05 < np.mean(shares) < 0.95  # some of both


def test_nothing_else_in_the_call_changes_a_span(predictor, real_recordings):
    waveform, other = real_recordings[0][: 2 * RATE], real_recordings[1][: 2 * RATE]
    (alone,) = predictor.predict([TEXTS[0]], [waveform], RATE)
    together = predictor.predict([TEXTS[1], TEXTS[0], TEXTS[0]], [other, other, waveform], RATE)
    assert together[2] == alone
    assert predictor.predict([], [], RATE) == []
    (nothing,) = predictor.predict([TEXTS[0]], [np.zeros(0, np.float32)], RATE)
    assert nothing == ()


def test_a_checkpoint_that_lacks_weights_is_refused(folder: Path, load_model, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, tmp_path / "torn")
    weights = load_file(folder / "model.safetensors")
    del weights["audio_head.proj.weight"]
    save_file(weights, tmp_path / "torn" / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"it lacks 1 tensors, audio_head\.proj\.weight first"):
        load_model("span_predictor", "pe_frames", weights=str(tmp_path / "torn"))
