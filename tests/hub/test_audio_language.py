"""Audio-language models as captioners: against the library called directly, on small networks with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from language_checkpoints import (
    write_audio_flamingo_3,
    write_chat_model,
    write_qwen2_audio,
    write_qwen3_omni,
)
from written_profiles import RATE, models_of

from dataengine.errors import UserError
from dataengine.models.waveforms import resample

pytestmark = pytest.mark.hub

MODELS = {
    "Qwen2AudioForConditionalGeneration": write_qwen2_audio,
    "AudioFlamingo3ForConditionalGeneration": write_audio_flamingo_3,
    "Qwen3OmniMoeForConditionalGeneration": write_qwen3_omni,
}
OWN_RATE = 16_000
TOKENS = 12
OPTIONS = {"precision": "float32", "max_tokens": TOKENS, "instruction": "What is heard?"}


@pytest.fixture(scope="module", params=MODELS)
def checkpoint(request, tmp_path_factory) -> tuple[str, Path]:
    """The name of a class, and a folder that it wrote."""
    return request.param, MODELS[request.param](tmp_path_factory.mktemp("captioner"))


@pytest.fixture(scope="module")
def captioner(checkpoint: tuple[str, Path], tmp_path_factory) -> Any:
    entry = {"adapter": "audio_language", "weights": str(checkpoint[1]), "waveforms_per_call": 3, **OPTIONS}
    return models_of(tmp_path_factory.mktemp("profile"), {"captioner": entry}).load("captioner")


@pytest.fixture(scope="module")
def waveforms(real_recordings) -> list[np.ndarray]:
    """Seven real recordings between a fraction of a second and 25 s, at the rate that the models hear."""
    return [resample(each, RATE, OWN_RATE) for each in (*real_recordings[:5], *real_recordings[-2:])]


@pytest.fixture(scope="module")
def expected(checkpoint: tuple[str, Path], waveforms: list[np.ndarray]) -> list[str]:
    """The library called directly, a recording at a time."""
    import torch
    import transformers

    name, folder = checkpoint
    model = getattr(transformers, name).from_pretrained(folder, dtype=torch.float32).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    said = []
    for waveform in waveforms:
        second = np.pad(waveform, (0, max(0, OWN_RATE - len(waveform))))
        content = [{"type": "audio", "audio": second}, {"type": "text", "text": OPTIONS["instruction"]}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            sampling_rate=OWN_RATE,
        )
        longest = {"thinker_max_new_tokens" if "Omni" in name else "max_new_tokens": TOKENS}
        tokens = model.generate(
            **inputs, do_sample=False, **longest, eos_token_id=processor.tokenizer.eos_token_id
        )
        (text,) = processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        said.append(text)
    return said


def visible(text: str) -> str:
    return " ".join("".join(each for each in " ".join(text.split()) if each.isprintable()).split())


def test_captions_are_the_librarys_own_whatever_else_is_in_the_call(captioner, expected, waveforms) -> None:
    assert len(set(expected)) >= 5  # recordings are told apart at all
    assert [visible(each) for each in captioner.caption(waveforms, OWN_RATE)] == list(map(visible, expected))


def test_captions_do_not_depend_on_the_batch(checkpoint, waveforms, load_model, expected) -> None:
    alone = load_model("captioner", "audio_language", weights=str(checkpoint[1]), **OPTIONS)
    some = [waveforms[i] for i in (6, 0, 3)]
    assert [visible(each) for each in alone.caption(some, OWN_RATE)] == [
        visible(expected[i]) for i in (6, 0, 3)
    ]


def test_a_long_recording_is_heard_in_two_pieces(captioner, waveforms) -> None:
    long = np.concatenate([waveforms[-2], waveforms[-2]])  # 50 s: two pieces of 25
    once, twice = captioner.caption([waveforms[-2], long], OWN_RATE)
    assert twice == visible(f"{once} {once}")
    assert captioner.caption([np.zeros(0, np.float32)], OWN_RATE) == captioner.caption(
        [np.zeros(OWN_RATE, np.float32)], OWN_RATE
    )


def test_what_is_asked_is_part_of_the_models_identity(checkpoint, tmp_path: Path) -> None:
    def card(**options: Any) -> dict[str, Any]:
        entry = {"adapter": "audio_language", "weights": str(checkpoint[1]), **options}
        return models_of(tmp_path, {"captioner": entry}).provenance(("captioner",))["captioner"]

    assert card()["options"] != card(instruction="Who speaks?")["options"]
    assert "Who speaks?" not in json.dumps(card(instruction="Who speaks?"))
    assert card()["digest"] == card(instruction="Who speaks?")["digest"]


def test_the_part_of_qwen3_omni_that_speaks_is_not_built(tmp_path: Path, load_model) -> None:
    """A published checkpoint has it, and says so; in this one it lacks its weights."""
    folder = write_qwen3_omni(tmp_path)
    shape = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**shape, "enable_audio_output": True}))
    captioner = load_model("captioner", "audio_language", weights=str(folder), **OPTIONS)
    assert captioner.caption([np.zeros(OWN_RATE, np.float32)], OWN_RATE) != [""]


def test_a_model_that_hears_nothing_is_one_line(load_model, tmp_path: Path) -> None:
    write_chat_model(tmp_path)
    (tmp_path / "processor_config.json").write_text("{}")
    with pytest.raises(UserError, match="is a qwen2; the captioners that are known are qwen2_audio"):
        load_model("captioner", "audio_language", weights=str(tmp_path))
