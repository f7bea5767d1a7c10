from importlib import resources

import pytest

import conf
from dataengine.errors import UserError
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from manifests.catalogue.recordings import all_clips
from stages.phrases import load_phrases

MEANINGS = PhraseMeanings.load()


def test_every_label_that_scenes_are_judged_by_has_its_phrases() -> None:
    labels = {clip.label for clip in all_clips() if clip.split != "seed"}
    assert labels == set(MEANINGS.phrases)


def test_every_phrase_is_one_that_can_be_proposed() -> None:
    table = load_phrases(str(resources.files(conf) / "prompts" / "audioset_phrases.yaml"))
    assert frozenset().union(*MEANINGS.phrases.values()) <= set(table.names)


@pytest.mark.parametrize(
    ("prompt", "label", "named"),
    [
        ("speech", "a woman speaking", True),
        ("Woman  speaking", "a woman speaking", True),
        ("man speaking", "a woman speaking", False),
        ("speech", "singing voice", False),
        ("music", "trumpet", True),
        ("dog barking", "wolf howling", False),
        ("gibberish", "dog", False),
    ],
)
def test_what_prompts_name(prompt: str, label: str, named: bool) -> None:
    assert MEANINGS.names(prompt, label) == named


def test_an_unknown_label_is_told() -> None:
    with pytest.raises(UserError, match="no phrases are given for the label 'gargoyle'"):
        MEANINGS.names("speech", "gargoyle")


@pytest.mark.parametrize(
    ("label", "others", "prompt"),
    [
        ("trumpet", ["a woman speaking"], "trumpet playing"),
        ("techno music loop", ["cat"], "music"),
        ("techno music loop", ["trumpet"], None),
        ("water running", ["ripples"], None),
        ("car", ["truck/old bus start, pull away with horn"], "car driving"),
        ("zoop (electronic)", ["cat"], None),
    ],
)
def test_a_prompt_for_one_label_names_no_other(label: str, others: list[str], prompt: str | None) -> None:
    assert MEANINGS.prompt_for(label, others) == prompt
