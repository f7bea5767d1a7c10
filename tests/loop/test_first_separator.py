"""A first separator that rounds cannot go on from is refused before anything is labelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import T5Config, T5EncoderModel
from typer.testing import CliRunner

from dataengine.cli import app
from dataengine.loop.configuration import LoopConfig
from dataengine.loop.state import LoopDirectory
from dataengine.loop.steps import Steps
from dataengine.yaml_source import dump_yaml
from trainer.codec import MdctConfig
from trainer.model import SeparationModel
from trainer.presets import PRESETS
from trainer.separator import Separator, SeparatorConfig

TINY = SeparatorConfig(PRESETS["tiny"], MdctConfig())


def with_network(**settings: float) -> SeparatorConfig:
    return replace(TINY, model=replace(TINY.model, dit=replace(TINY.model.dit, **settings)))


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[SeparatorConfig], Path]:
    """`saved(config)`: a folder with a separator that has this configuration."""

    def write(config: SeparatorConfig) -> Path:
        Separator(config, SeparationModel(config.model)).save_pretrained(tmp_path / "initial")
        return tmp_path / "initial"

    return write


def refused(loop_folder: Path, *settings: str) -> str:
    directory = loop_folder / "refused"
    arguments = [each for setting in (f"directory={directory}", *settings) for each in ("--set", setting)]
    result = CliRunner().invoke(app, ["loop", str(loop_folder / "loop.yaml"), *arguments])
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    assert not directory.exists()
    return result.stderr


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            replace(TINY, codec=MdctConfig(sample_rate=24_000)),
            "its codec.sample_rate is 24000, and the training file (preset 'tiny') has 16000",
        ),
        (replace(TINY, codec=MdctConfig(scale=20.0)), "its codec.scale is 20.0"),
        (with_network(blocks=2), "its network.dit.blocks is 2, and the training file (preset 'tiny') has 3"),
        (
            replace(TINY, model=replace(TINY.model, prediction="velocity")),
            "its network.prediction is velocity",
        ),
    ],
)
def test_another_codec_rate_or_size_than_the_training_files(loop_folder, saved, config, message):
    said = refused(loop_folder, f"initial={saved(config)}")
    assert message in said
    assert "`train.start: anew`" in said


def test_missing_torn_and_foreign_weights(loop_folder, saved):
    folder = saved(TINY)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "this separator cannot be loaded" in refused(loop_folder, f"initial={folder}")
    weights.unlink()
    assert "model.safetensors is missing" in refused(loop_folder, f"initial={folder}")
    saved(with_network(blocks=2))
    (folder / "config.json").write_text((loop_folder / "first" / "config.json").read_text())
    assert "of its weights are not those of config.json" in refused(loop_folder, f"initial={folder}")


def test_rounds_that_train_anew_may_begin_with_another_size_but_not_with_another_text_encoder(
    loop_folder, saved
):
    initial = f"initial={saved(with_network(blocks=2))}"
    config = LoopConfig.load(loop_folder / "loop.yaml", [initial, "train.start=anew"])
    Steps(config, LoopDirectory(Path(config.directory)), None).check()
    saved(with_network(text_width=768))
    assert "its network.dit.text_width is 768" in refused(loop_folder, initial, "train.start=anew")


def test_labelling_and_training_have_one_text_encoder(loop_folder, tmp_path):
    shape = T5Config(vocab_size=8, d_model=384, d_ff=8, d_kv=8, num_heads=1, num_layers=1)
    T5EncoderModel(shape).save_pretrained(tmp_path / "t5")
    Tokenizer(WordLevel({"rain": 0}, unk_token="rain")).save(str(tmp_path / "t5" / "tokenizer.json"))
    models = {"text_encoder": {"adapter": "t5", "weights": str(tmp_path / "t5")}}
    profile = tmp_path / "mine.yaml"
    profile.write_text(dump_yaml({"name": "mine", "sample_rate": 16_000, "models": models}))
    said = refused(loop_folder, f"train.set=[profile={profile}]")
    assert f"rounds train with the text encoder of profile '{profile}' (t5)" in said
    assert "labels with another (minilm)" in said
