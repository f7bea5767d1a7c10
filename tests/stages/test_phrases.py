from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from stages.phrases import Phrase, PhraseTable, load_phrases

SHIPPED = "conf/prompts/audioset_phrases.yaml"
TABLE = load_phrases(SHIPPED)


def proposed(*phrases: str) -> set[str]:
    confident = np.array([[name in phrases for name in TABLE.names]])
    return {
        name for name, chosen in zip(TABLE.names, TABLE.most_specific(confident)[0], strict=True) if chosen
    }


def test_the_specific_phrase_stands_instead_of_the_general_one() -> None:
    assert proposed("animal sounds", "dog barking", "dog growling") == {"dog growling"}
    assert proposed("animal sounds", "dog barking", "cat meowing") == {"dog barking", "cat meowing"}
    assert proposed("animal sounds") == {"animal sounds"}


def test_a_phrase_gives_way_though_the_step_between_is_missing() -> None:
    assert proposed("animal sounds", "dog growling") == {"dog growling"}


def test_an_ensemble_stands_beside_its_parts() -> None:
    assert proposed("music", "piano playing") == {"piano playing"}
    assert proposed("music", "piano playing", "flute playing") == {"music", "piano playing", "flute playing"}
    assert proposed("music", "guitar playing", "acoustic guitar playing") == {"acoustic guitar playing"}


@given(st.sets(st.sampled_from(TABLE.names)))
def test_something_confident_is_always_proposed_and_nothing_else_is(confident: set[str]) -> None:
    chosen = proposed(*confident)
    assert chosen <= confident
    assert bool(chosen) == bool(confident)


def test_a_phrase_is_as_sure_as_the_surest_of_its_classes() -> None:
    table = PhraseTable(
        {
            "dog": Phrase(classes=("Bark", "Yip")),
            "cat": Phrase(classes=("Meow",)),
            "cow": Phrase(classes=("Moo",)),
        }
    )
    classes = ("Meow", "Silence", "Yip", "Bark")
    found = table.probabilities(classes, np.array([[0.1, 0.9, 0.4, 0.3], [0.2, 0.0, 0.0, 0.5]], np.float32))
    assert found == pytest.approx(np.array([[0.4, 0.1, 0.0], [0.5, 0.2, 0.0]]))


def test_the_shipped_table_covers_the_taggers_sounds() -> None:
    tagger = ProfileModels(Profile.load("embedded")).load("tagger")
    in_table = {each for phrase in TABLE.phrases.values() for each in phrase.classes}
    assert len(set(tagger.classes) - in_table) < 30
    assert len(in_table - set(tagger.classes)) <= 6  # AudioSet's classes that this tagger lacks
    assert {"Silence", "Inside, small room", "Echo", "White noise"}.isdisjoint(in_table)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("phrases:\n  dog: {classes: [Dog], instead_off: cat}\n", 2, "instead_of"),
        ("phrases:\n  dog: {classes: []}\n", 2, "classes"),
        ("phrases:\n  dog: {classes: [Dog], instead_of: animal}\n", 2, "no phrase"),
        (
            "phrases:\n  dog: {classes: [Dog], instead_of: cat}\n  cat: {classes: [Cat], instead_of: dog}\n",
            2,
            "each other",
        ),
        ("phrases:\n  dog: {classes: [Dog]}\n  hound: {classes: [Dog]}\n", 3, "already"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "phrases.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        load_phrases(str(path))
    assert caught.value.where == f"{path}:{line}"
