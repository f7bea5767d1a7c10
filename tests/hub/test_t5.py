"""T5 as text encoder: against transformers' own tokenizer and model, in batches and alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from clap_checkpoints import TEXTS
from t5_checkpoint import WIDTH
from written_profiles import models_of

from dataengine.errors import UserError
from trainer.conditions import TextStates

pytestmark = pytest.mark.hub


@pytest.fixture(scope="module")
def encoder(t5_folder: Path, tmp_path_factory):
    entry = {"text_encoder": {"adapter": "t5", "weights": str(t5_folder)}}
    return models_of(tmp_path_factory.mktemp("profile"), entry).load("text_encoder")


def test_states_are_the_librarys_own_and_padding_reaches_none(encoder, t5_folder: Path):
    from transformers import AutoTokenizer, T5EncoderModel

    tokenizer = AutoTokenizer.from_pretrained(t5_folder, local_files_only=True)
    model = T5EncoderModel.from_pretrained(t5_folder).eval()
    tokens = tokenizer(list(TEXTS), padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**tokens).last_hidden_state
    lengths = tokens["attention_mask"].sum(dim=1).tolist()
    assert len(set(lengths)) > 1
    for found, states, length in zip(encoder.encode_tokens(TEXTS), expected, lengths, strict=True):
        assert found.shape == (length, WIDTH)
        np.testing.assert_allclose(found, states[:length], atol=1e-5)
    assert encoder.width == WIDTH


def test_a_text_says_the_same_whatever_else_is_asked_and_an_empty_one_has_a_token(encoder):
    together = encoder.encode_tokens([*TEXTS, "", TEXTS[0]])
    assert len(together[5]) == 1
    np.testing.assert_array_equal(together[0], together[6])
    (long,) = encoder.encode_tokens(["rain on a roof " * 200])
    assert len(long) == 512


def test_beside_a_network_it_leaves_pytorch_its_threads(t5_folder: Path, tmp_path: Path):
    entry = {"text_encoder": {"adapter": "t5", "weights": str(t5_folder)}}
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        states, _ = TextStates.of(models_of(tmp_path, entry)).batch([TEXTS[0], None])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert states.shape[::2] == (2, WIDTH)


def test_what_is_published_has_its_licence(t5_folder: Path, tmp_path: Path, monkeypatch):
    shutil.copytree(t5_folder, tmp_path / "google-t5" / "t5-base")
    monkeypatch.setenv("DATAENGINE_MIRROR", str(tmp_path))
    entry = {"text_encoder": {"adapter": "t5", "weights": "hf://google-t5/t5-base"}}
    card = models_of(tmp_path, entry).provenance(("text_encoder",))["text_encoder"]
    assert (card["licence"], card["commercial"]) == ("Apache-2.0", True)


def test_a_tokenizer_of_another_vocabulary_is_refused(t5_folder: Path, load_model, tmp_path: Path):
    shutil.copytree(t5_folder, tmp_path / "torn")
    tokenizer = json.loads((tmp_path / "torn" / "tokenizer.json").read_text())
    kept = tokenizer["model"]["vocab"][:3]
    tokenizer["model"]["vocab"], tokenizer["added_tokens"] = kept, tokenizer["added_tokens"][:3]
    (tmp_path / "torn" / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((tmp_path / "torn" / "config.json").read_text())
    with pytest.raises(UserError, match=rf"has 3 tokens and the model {config['vocab_size']}"):
        load_model("text_encoder", "t5", weights=str(tmp_path / "torn"))


def test_the_text_bridge_asks_for_another_encoder(t5_folder: Path, tmp_path: Path):
    entries = {
        "tagger": {"adapter": "yamnet"},
        "text_encoder": {"adapter": "t5", "weights": str(t5_folder)},
        "text_audio_scorer": {"adapter": "label_bridge"},
    }
    with pytest.raises(UserError, match="'t5' gives vectors of tokens and none of a whole text"):
        models_of(tmp_path, entries).load("text_audio_scorer")
