"""What a round trains, and what it starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataengine.loop.configuration import LoopConfig
from dataengine.loop.promotion import Decision
from dataengine.loop.state import LoopDirectory, LoopState
from dataengine.loop.steps import Steps
from trainer.training.configuration import TrainConfig

PROMOTED = Decision(promoted=True, reason="better")


def training(loop_folder: Path, state: LoopState, *settings: str) -> TrainConfig:
    config = LoopConfig.load(loop_folder / "loop.yaml", settings)
    return Steps(config, LoopDirectory(Path(config.directory)), None).training(state)


@pytest.fixture
def first() -> LoopState:
    return LoopState(settings="{}").begun()


@pytest.mark.parametrize(
    ("settings", "start", "second_start"),
    [
        ([], None, "{loop}/rounds/0001/train/separator"),
        (["initial={folder}/first"], "{folder}/first", "{loop}/rounds/0001/train/separator"),
        (["initial=seed"], "seed", "{loop}/rounds/0001/train/separator"),
        (["train.set=[start_from=other]"], "other", "{loop}/rounds/0001/train/separator"),
        (["train.start=anew", "train.set=[start_from=other]"], "other", "other"),
    ],
)
def test_training_starts_from_the_promoted_separator(loop_folder, first, settings, start, second_start):
    places = {"folder": loop_folder, "loop": loop_folder / "loop"}
    settings = [each.format(**places) for each in settings]
    second = first.decided(PROMOTED).begun()
    for state, expected in ((first, start), (second, second_start)):
        wanted = expected and expected.format(**places)
        assert training(loop_folder, state, *settings).start_from == wanted


def test_a_round_trains_on_its_own_labels_by_the_configured_share(loop_folder, first):
    config = training(loop_folder, first, "train.pseudo_labelled_share=0.5")
    assert config.data.shards["pseudo_labelled"] == [str(loop_folder / "loop" / "rounds" / "0001" / "label")]
    assert config.data.mixing.shares == {"synthetic": 2, "pseudo_labelled": 0.5}


def test_rounds_with_the_same_separator_share_labels_and_draw_other_samples(loop_folder, first):
    kept_back = Decision(promoted=False, reason="worse")
    second = first.decided(kept_back).begun()
    one, other = (training(loop_folder, state) for state in (first, second))
    assert one.data.shards == other.data.shards
    assert one.seed != other.seed
    assert one.model_copy(update={"seed": other.seed}) == other
