"""Whisper: against the library called directly, on the real network with random weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whisper_folder import LANGUAGES, write_whisper_folder
from written_profiles import RATE, models_of

from dataengine.engine.batch import Batch
from dataengine.engine.stage import StageContext
from dataengine.errors import UserError
from dataengine.models.waveforms import resample
from stages.transcribe import Transcribe

pytestmark = pytest.mark.hub

OWN_RATE = 16_000
WINDOW = 30 * OWN_RATE


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_whisper_folder(tmp_path_factory.mktemp("whisper") / "tiny")


@pytest.fixture(scope="module")
def waveforms(real_recordings) -> list[np.ndarray]:
    """Seven, at the network's own rate; the last one of 40 s."""
    some = [resample(each, RATE, OWN_RATE) for each in real_recordings[7:13]]
    return [*some, np.resize(np.concatenate(some), 40 * OWN_RATE)]


def told_by_the_library(folder: Path, waveform: np.ndarray, language: str | None = None) -> tuple[str, str]:
    """Text and language of at most 30 s, by `generate` and `detect_language`."""
    from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    hearing = WhisperFeatureExtractor.from_pretrained(folder)
    features = hearing(waveform, sampling_rate=OWN_RATE, return_tensors="pt")["input_features"]
    if language is None:
        language = tokenizer.decode(model.detect_language(features)[0]).strip("<|>")
    tokens = model.generate(features, language=language, task="transcribe", do_sample=False, num_beams=1)
    return tokenizer.batch_decode(tokens, skip_special_tokens=True)[0].strip(), language


def test_text_and_language_are_the_librarys_own_whatever_else_is_in_the_call(folder, waveforms, load_model):
    transcriber = load_model("transcriber", "whisper", weights=str(folder))
    expected = [told_by_the_library(folder, each) for each in waveforms[:-1]]
    assert len(set(expected)) > 2  # recordings are told apart
    found = transcriber.transcribe(waveforms[:-1], OWN_RATE)
    assert [(each.text, each.language) for each in found] == expected
    (alone,) = transcriber.transcribe([waveforms[2].copy()], OWN_RATE)
    assert alone == found[2]
    assert transcriber.transcribe([], OWN_RATE) == []


def test_a_long_recording_is_told_piece_by_piece_in_one_language(folder, waveforms, load_model):
    transcriber = load_model("transcriber", "whisper", weights=str(folder), windows_per_call=2)
    (found,) = transcriber.transcribe(waveforms[-1:], OWN_RATE)
    pieces = waveforms[-1][:WINDOW], waveforms[-1][WINDOW:]
    texts = [told_by_the_library(folder, each, found.language)[0] for each in pieces]
    assert found.text == " ".join(texts)
    assert found.language in LANGUAGES


def test_a_model_of_english_alone_guesses_no_language(waveforms, load_model, tmp_path):
    english = write_whisper_folder(tmp_path / "tiny.en", multilingual=False)
    (found,) = load_model("transcriber", "whisper", weights=str(english)).transcribe(waveforms[:1], OWN_RATE)
    assert found.language == "en"
    assert found.text


def test_a_recording_without_samples_is_told_as_silence(folder, load_model):
    transcriber = load_model("transcriber", "whisper", weights=str(folder))
    nothing, silence = transcriber.transcribe(
        [np.zeros(0, np.float32), np.zeros(WINDOW, np.float32)], OWN_RATE
    )
    assert nothing == silence


def test_a_tokenizer_of_another_model_is_refused(folder, load_model, tmp_path):
    shutil.copytree(folder, tmp_path / "mixed")
    from transformers import GenerationConfig

    generation = GenerationConfig.from_pretrained(folder)
    generation.decoder_start_token_id += 1
    generation.save_pretrained(tmp_path / "mixed")
    with pytest.raises(UserError, match="do not belong together"):
        load_model("transcriber", "whisper", weights=str(tmp_path / "mixed"))


def test_the_stage_tells_what_is_said_for_prompts_for_speech(folder, waveforms, tmp_path):
    models: Any = models_of(tmp_path, {"transcriber": {"adapter": "whisper", "weights": str(folder)}})
    stage = Transcribe()
    stage.bind(StageContext(OWN_RATE, 0, models))
    stage.setup()
    batch = stage.process(Batch({"target": waveforms[:3], "speech_prompt": np.array([True, False, True])}))
    (first, third) = models.load("transcriber").transcribe([waveforms[0], waveforms[2]], OWN_RATE)
    assert batch["transcript"] == [first.text, None, third.text]
    assert batch["language"] == [first.language, None, third.language]
