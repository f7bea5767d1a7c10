"""Which stems a prompt asks a music separator for."""

from __future__ import annotations

import pytest

from dataengine.models.roles import Prompt
from dataengine.models.stem_prompts import StemPrompts

TWO = ("vocals", "other")
FOUR = ("drums", "bass", "other", "vocals")
SIX = (*FOUR, "guitar", "piano")


@pytest.mark.parametrize(
    ("text", "stems", "asked"),
    [
        ("Woman  Singing", FOUR, {"vocals"}),
        ("bird singing", FOUR, {"other"}),
        ("bass drum playing", FOUR, {"drums"}),
        ("bass guitar playing", SIX, {"bass"}),
        ("bass clarinet playing", FOUR, {"other"}),
        ("drums and bass", FOUR, {"drums", "bass"}),
        ("electric guitar playing", SIX, {"guitar"}),
        ("electric guitar playing", FOUR, {"other"}),
        ("piano and singing", SIX, {"piano", "vocals"}),
        ("piano and singing", FOUR, {"other", "vocals"}),
        ("music", FOUR, {"drums", "bass", "other"}),
        ("music", TWO, {"other"}),
        ("drums playing", TWO, {"other"}),
        ("dog barking", SIX, {"other"}),
        ("", FOUR, {"other"}),
        (None, FOUR, {"other"}),
    ],
)
def test_words_of_a_prompt_ask_for_stems(text, stems, asked):
    assert set(StemPrompts.load().asked(Prompt(text), stems)) == asked


def test_a_prompt_for_speech_asks_for_the_vocals():
    assert StemPrompts.load().asked(Prompt("news about music", speech=True), FOUR) == ("vocals",)
