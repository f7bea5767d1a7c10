"""The sizes that have a name, against what is known of the reference's."""

from __future__ import annotations

import pytest
import torch

from trainer.model import SeparationModel
from trainer.presets import PRESETS

REFERENCE_MILLIONS = {"small": 492, "base": 1_150, "large": 2_930}


def millions(preset: str) -> float:
    with torch.device("meta"):
        model = SeparationModel(PRESETS[preset])
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


@pytest.mark.parametrize(("preset", "expected"), REFERENCE_MILLIONS.items())
def test_the_references_sizes_have_its_number_of_parameters(preset, expected):
    assert millions(preset) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("preset", "blocks", "dim"), [("small", 12, 1536), ("base", 16, 2048), ("large", 22, 2816)]
)
def test_layers_and_widths_are_those_of_the_slides(preset, blocks, dim):
    config = PRESETS[preset].dit
    assert (config.blocks, config.dim) == (blocks, dim)
    assert config.dim // config.heads == 128


def test_embedded_sizes_are_small_enough_to_train_on_a_laptop_and_to_ship():
    assert 1 < millions("tiny") < 3
    assert 4 < millions("seed") < 8
