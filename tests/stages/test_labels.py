"""What is asked of tracks with these labels."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conf
from dataengine.errors import UserError
from manifests.catalogue.music import DRUM_KIT, instruments
from manifests.catalogue.recordings import clips_of
from stages.labels import LabelPhrases

TABLE = LabelPhrases.load()


def asked(*labels: str) -> dict[str, tuple[str, ...]]:
    """Prompt → labels of the stems it asks for."""
    return {prompt.text: tuple(labels[stem] for stem in prompt.stems) for prompt in TABLE.prompts(labels)}


@pytest.mark.parametrize(
    ("label", "prompt"),
    [
        ("piano", "piano playing"),
        ("Acoustic_Guitar", "acoustic guitar playing"),
        ("piano-2", "piano playing"),
        ("electric guitar 3", "electric guitar playing"),
        ("vocals", "singing"),
        ("a woman speaking", "woman speaking"),
        ("dog", "dog barking"),
        ("hurdy-gurdy", "hurdy-gurdy"),
        ("pickaxe hitting rock", "pickaxe hitting rock"),
    ],
)
def test_a_recording_is_asked_for_by_its_most_specific_phrase(label: str, prompt: str) -> None:
    assert asked(label) == {prompt: (label,)}


def test_a_phrase_asks_for_all_stems_that_it_names() -> None:
    assert asked("violin", "cello", "piano") == {
        "violin playing": ("violin",),
        "cello playing": ("cello",),
        "piano playing": ("piano",),
        "strings playing": ("violin", "cello"),
    }
    assert asked("piano", "piano_2", "drums") == {
        "piano playing": ("piano", "piano_2"),
        "drums playing": ("drums",),
    }


def test_what_names_everything_is_not_asked_for() -> None:
    assert asked("a woman speaking", "a woman speaking") == {}
    assert asked("a woman speaking", "a man speaking") == {
        "woman speaking": ("a woman speaking",),
        "man speaking": ("a man speaking",),
    }


def test_general_phrases_are_not_asked_for_where_a_stem_may_hold_anything() -> None:
    assert asked("vocals", "drums", "bass", "other") == {
        "singing": ("vocals",),
        "drums playing": ("drums",),
        "bass playing": ("bass",),
    }
    assert "strings playing" not in asked("violin", "cello", "other")


def test_every_label_that_is_trained_on_has_its_phrases() -> None:
    labels = {clip.label for clip in clips_of("seed")} | set(instruments()) | {DRUM_KIT}
    assert labels - set(TABLE.phrases) == {"pickaxe hitting rock"}


def test_a_table_of_ones_own_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "labels.yaml"
    own.write_text("Piano: [grand piano playing]\nzither: []\n")
    table = LabelPhrases.load(str(own))
    assert table.of("piano") == ("grand piano playing",)
    assert table.of("zither") == ()
    own.write_text("piano: 3\n")
    with pytest.raises(UserError, match=r"labels\.yaml:1"):
        LabelPhrases.load(str(own))


@given(st.lists(st.sampled_from(sorted(TABLE.phrases)) | st.text(max_size=8), max_size=6))
def test_prompts_are_true_and_each_set_of_stems_comes_once(labels: list[str]) -> None:
    prompts = TABLE.prompts(labels)
    assert (
        len({prompt.text for prompt in prompts}) == len({prompt.stems for prompt in prompts}) == len(prompts)
    )
    for prompt in prompts:
        named = tuple(i for i, label in enumerate(labels) if prompt.text in TABLE.of(label))
        assert prompt.stems == named
        assert len(named) < len(labels) or len(labels) == 1


def test_the_table_says_each_label_once() -> None:
    lines = (resources.files(conf) / "prompts" / "labels.yaml").read_text(encoding="utf-8").splitlines()
    labels = [line.partition(":")[0] for line in lines if line and not line.startswith("#")]
    assert len(set(labels)) == len(labels)
