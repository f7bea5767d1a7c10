"""What sounds are called, from the phrases of their stems."""

from __future__ import annotations

import pytest

from trainer.data.naming import Naming, Stems, naming_of_mixture, naming_of_target

VIOLIN = ["music", "strings playing", "violin playing"]
CELLO = ["music", "strings playing", "cello playing"]
DRUMS = ["music", "drums playing"]


def test_a_stem_is_called_by_its_phrases_most_specific_first():
    trio = Stems(stem_phrases=[VIOLIN, CELLO, DRUMS], target_stems=[0])
    assert naming_of_target(trio) == Naming(
        names=("violin playing", "strings playing", "music"),
        parts=("music", "strings playing", "violin playing"),
        rest=("cello playing", "drums playing", "music", "strings playing"),
    )


def test_several_stems_are_called_by_what_names_each_of_them():
    naming = naming_of_target(Stems(stem_phrases=[VIOLIN, CELLO, DRUMS], target_stems=[0, 1]))
    assert naming.names == ("strings playing", "music")
    assert naming.parts == ("cello playing", "music", "strings playing", "violin playing")
    mixture = naming_of_mixture(Stems(stem_phrases=[VIOLIN, CELLO, DRUMS], target_stems=[0]))
    assert (mixture.names, mixture.rest) == (("music",), ())


def test_nobody_can_name_a_mixture_with_a_stem_that_has_no_name():
    assert naming_of_mixture(Stems(stem_phrases=[VIOLIN, []], target_stems=[0])).names == ()


def test_a_pseudo_label_has_no_stems():
    assert naming_of_target(Stems()) == naming_of_mixture(Stems()) == Naming()


def test_stems_that_are_not_there_cannot_be_named():
    with pytest.raises(IndexError):
        naming_of_target(Stems(stem_phrases=[VIOLIN], target_stems=[3]))
