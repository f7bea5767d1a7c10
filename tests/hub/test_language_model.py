"""A chat model as phrase extractor: a small one that has learnt by heart what it is to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from language_checkpoints import new_tokenizer, write_chat_model
from written_profiles import models_of

from dataengine.errors import UserError
from dataengine.models.phrase_answers import Message, phrases_in
from dataengine.models.roles import ExtractedPhrases, SoundPhrase

pytestmark = pytest.mark.hub

ASKED = "List the sounds."
DOG, RAIN = "A dog barks.", "Rain falls on the roof of a shed while a man talks."
OF_DOG = json.dumps({"phrases": [{"text": "dog barking", "speech": False}]})
OF_RAIN = json.dumps(
    {"phrases": [{"text": "rain falling", "speech": False}, {"text": "man speaking", "speech": True}]}
)
REMARK = (
    "That is not an answer of the right form: there is no JSON object in the answer. "
    "Answer again, with the JSON object and nothing else."
)


def turns(*said: str) -> list[Message]:
    return [Message(role=("user", "assistant")[i % 2], content=each) for i, each in enumerate(said)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    conversations = [
        turns(f"{ASKED}\n\n{DOG}", OF_DOG),
        turns(f"{ASKED}\n\n{RAIN}", "rain and a man", REMARK, OF_RAIN),
    ]
    return write_chat_model(tmp_path_factory.mktemp("chat"), conversations)


@pytest.fixture(scope="module")
def extractor(folder: Path, tmp_path_factory) -> Any:
    entry = {
        "adapter": "language_model",
        "weights": str(folder),
        "precision": "float32",
        "instruction": ASKED,
        "captions_per_call": 2,
        "max_tokens": 96,
    }
    return models_of(tmp_path_factory.mktemp("profile"), {"phrase_extractor": entry}).load("phrase_extractor")


def test_phrases_are_the_models_answer_also_to_being_told_what_was_wrong(extractor) -> None:
    of_dog = ExtractedPhrases((SoundPhrase("dog barking", False),))
    of_rain = ExtractedPhrases((SoundPhrase("rain falling", False), SoundPhrase("man speaking", True)))
    assert extractor.extract([RAIN, DOG, "", RAIN]) == [of_rain, of_dog, ExtractedPhrases(()), of_rain]


def test_the_answer_is_the_librarys_own(extractor, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    inputs = tokenizer.apply_chat_template(
        turns(f"{ASKED}\n\n{DOG}"), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=80, eos_token_id=tokenizer.eos_token_id)
    answer = tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert extractor.extract([DOG])[0].phrases == phrases_in(answer)


def test_a_model_that_talks_nonsense_costs_phrases_and_nothing_else(tmp_path: Path, load_model) -> None:
    write_chat_model(tmp_path)
    extractor = load_model("phrase_extractor", "language_model", weights=str(tmp_path), max_tokens=8)
    (found,) = extractor.extract([DOG])
    assert found.phrases == ()
    assert found.error
    assert found.error.startswith("no answer of the right form in 3 tries: ")


def test_a_model_that_is_not_made_for_conversations_is_refused(tmp_path: Path, load_model) -> None:
    write_chat_model(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    new_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has no chat template"):
        load_model("phrase_extractor", "language_model", weights=str(tmp_path))
