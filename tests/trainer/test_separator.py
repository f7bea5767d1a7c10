"""The separator as people use it: arrays, files, folders; any rate, any length."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from dataengine import Separator
from dataengine.cli import app
from dataengine.errors import UserError
from dataengine.models.overlapping_windows import crossfaded
from trainer.codec import MdctConfig
from trainer.codec.pretrained import PretrainedCodecConfig
from trainer.flow.sampling import SamplingConfig
from trainer.model import ModelConfig, SeparationModel
from trainer.presets import PRESETS
from trainer.separator import Piece, Prompted, SeparatorConfig

RATE = 16_000


def stirred_separator(config: SeparatorConfig) -> Separator:
    model = SeparationModel(config.model)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.05)
    return Separator(config, model)


@pytest.fixture
def separator(stirred) -> Separator:
    """A network that does something, if nothing sensible; windows of a second, so that two seconds are long."""
    config = SeparatorConfig(
        PRESETS["tiny"],
        MdctConfig(),
        sampling=SamplingConfig(steps=1),
        window_seconds=1.0,
        overlap_seconds=0.25,
        windows_a_batch=2,
    )
    return stirred_separator(config)


@pytest.fixture
def mixture(real_sound) -> np.ndarray:
    return (real_sound("speech", seconds=2.3) + real_sound("instrument", "banjo", seconds=2.3)).numpy()


@pytest.fixture
def generating(dacvae_folder, codec_profile, small_config) -> Separator:
    """A separator whose codec is not linear, and which has the text encoder of the other."""
    dit = replace(small_config, channels=128, text_width=384, transform_power=None)
    config = SeparatorConfig(
        ModelConfig(dit),
        PretrainedCodecConfig(),
        codec_profile(dacvae_folder),
        SamplingConfig(steps=1),
        window_seconds=1.0,
        overlap_seconds=0.25,
    )
    return stirred_separator(config)


@pytest.mark.parametrize("rate", [16_000, 44_100, 8_000])
def test_stems_add_up_at_any_rate(separator, mixture, rate):
    target, residual = separator.separate(mixture, sample_rate=rate, text="banjo")
    assert target.shape == residual.shape == mixture.shape
    np.testing.assert_allclose(target + residual, mixture, atol=1e-6)
    assert np.abs(target).max() > 1e-4
    assert separator.adds_up


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_with_a_codec_that_is_not_linear_both_stems_are_generated(generating, mixture, tmp_path, rate):
    assert not generating.adds_up
    target, residual = generating.separate(mixture, sample_rate=rate, text="banjo")
    assert target.shape == residual.shape == mixture.shape
    assert min(np.abs(stem).max() for stem in (target, residual)) > 1e-4
    assert np.abs(mixture - target - residual).max() > 0.01
    again = generating.separate(mixture, sample_rate=rate, text="banjo")
    np.testing.assert_array_equal(np.stack(again), np.stack([target, residual]))
    generating.save_pretrained(tmp_path / "saved")
    found = stems_of_a_file(tmp_path, mixture, rate)
    expected = Separator.from_pretrained(tmp_path / "saved").separate(mixture, sample_rate=rate, text="banjo")
    for stem, other in zip(found, expected, strict=True):
        assert np.sqrt(np.mean((stem - other) ** 2)) < 0.02 * np.sqrt(np.mean(other**2))


def test_without_its_codec_a_separator_is_one_line(generating, dacvae_folder, codec_profile, tmp_path):
    generating.config = replace(
        generating.config, codec=generating.config.codec.pinned(generating.config.profile)
    )
    generating.save_pretrained(tmp_path / "saved")
    assert Separator.from_pretrained(tmp_path / "saved").config.codec.digest is not None
    codec_profile(tmp_path / "nowhere")
    with pytest.raises(UserError, match="nowhere are not on this machine"):
        Separator.from_pretrained(tmp_path / "saved")


def test_a_text_encoder_of_another_width_is_refused(separator, generating, mixture):
    wide = replace(generating.config.model, dit=replace(generating.config.model.dit, text_width=768))
    with pytest.raises(UserError, match=r"reads text states of 768 numbers, .*'minilm' gives 384"):
        Separator(replace(generating.config, model=wide), SeparationModel(wide)).separate(
            mixture, sample_rate=RATE, text="banjo"
        )


def test_what_becomes_of_a_mixture_does_not_depend_on_the_others(separator, mixture):
    prompts = [
        Prompted(mixture, "banjo"),
        Prompted(mixture[:9_000], "a woman speaking", spans=((0.1, 0.3),)),
        Prompted(mixture, None, spans=((1.0, 1.5),), seed=5),
    ]
    together = separator.separate_batch(prompts, sample_rate=RATE)
    for prompt, (target, _) in zip(prompts, together, strict=True):
        alone, _ = separator.separate(
            prompt.mixture, sample_rate=RATE, text=prompt.text, spans=prompt.spans, seed=prompt.seed
        )
        np.testing.assert_array_equal(target, alone)
    assert np.abs(together[0][0] - together[2][0]).max() > 1e-4


def test_a_quiet_mixture_is_separated_as_a_loud_one(separator, mixture):
    loud, _ = separator.separate(mixture, sample_rate=RATE, text="banjo")
    quiet, _ = separator.separate(mixture / 64, sample_rate=RATE, text="banjo")
    np.testing.assert_allclose(64 * quiet, loud, atol=1e-5)
    silent, _ = separator.separate(np.zeros_like(mixture), sample_rate=RATE, text="banjo")
    assert np.isfinite(silent).all()


def test_heard_at_several_shifts_the_mean_is_the_answer_and_the_spread_the_doubt(separator, mixture):
    def at(shift: int) -> np.ndarray:
        later = Prompted(np.pad(mixture[:16_000], (shift, 0)), "banjo")
        separator.config = replace(separator.config, window_seconds=2.0, shifts=1)
        return separator.hear([later])[0].target[shift:]

    alone, shifted = at(0), at(256)
    separator.config = replace(separator.config, window_seconds=2.0, shifts=2)
    (heard,) = separator.hear([Prompted(mixture[:16_000], "banjo")])
    np.testing.assert_allclose(heard.target, (alone + shifted) / 2, atol=1e-4)
    np.testing.assert_allclose(heard.doubt, np.abs(alone - shifted) / 2, atol=1e-4)


def test_some_of_the_mixture_stays_in_the_target(separator, mixture):
    without, _ = separator.separate(mixture, sample_rate=RATE, text="banjo")
    separator.config = replace(separator.config, floor=0.1)
    target, residual = separator.separate(mixture, sample_rate=RATE, text="banjo")
    np.testing.assert_allclose(target, 0.9 * without + 0.1 * mixture, atol=1e-6)
    np.testing.assert_allclose(target + residual, mixture, atol=1e-6)


def test_a_folder_gives_back_what_was_saved(separator, mixture, tmp_path):
    separator.save_pretrained(tmp_path / "saved")
    again = Separator.from_pretrained(tmp_path / "saved")
    assert again.config == separator.config
    ours, _ = separator.separate(mixture, sample_rate=RATE, text="banjo")
    theirs, _ = again.separate(mixture, sample_rate=RATE, text="banjo")
    assert np.abs(ours - theirs).max() < 0.02 * np.abs(ours).max()  # weights are stored in half precision


def test_a_folder_that_holds_no_separator_is_refused(tmp_path, separator):
    with pytest.raises(UserError, match=r"no separator: .*config\.json is missing"):
        Separator.from_pretrained(tmp_path)
    separator.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model"]["dit"]["dim"] = 64
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="cannot be loaded"):
        Separator.from_pretrained(tmp_path)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_file_is_separated_as_an_array_is(separator, mixture, tmp_path, rate):
    separator.save_pretrained(tmp_path / "saved")
    target, residual = stems_of_a_file(tmp_path, mixture, rate)
    np.testing.assert_allclose(target + residual, mixture, atol=1e-6)
    expected, _ = Separator.from_pretrained(tmp_path / "saved").separate(
        mixture, sample_rate=rate, text="banjo"
    )
    assert np.sqrt(np.mean((target - expected) ** 2)) < 0.02 * np.sqrt(np.mean(expected**2))


def test_predicted_spans_are_told_to_the_separator(separator, models, real_sound, tmp_path):
    """A banjo that begins late in a recording of two windows."""
    separator.config = replace(separator.config, window_seconds=4.0, overlap_seconds=1.0)
    separator.model.dit.spans.gate.data.fill_(3)
    separator.model.dit.spans.embedding.weight.data *= 100
    separator.save_pretrained(tmp_path / "saved")
    mixture = real_sound("speech", seconds=7.0).numpy()
    mixture[4 * RATE :] += real_sound("instrument", "banjo", seconds=3.0).numpy()
    predictor = models.load("span_predictor")
    (early,), (late,) = (
        predictor.predict(["banjo"], [mixture[start * RATE : (start + 4) * RATE]], RATE) for start in (0, 3)
    )
    assert late
    spans = {0: early, 3 * RATE: tuple((3 + start, 3 + end) for start, end in late)}
    loaded = Separator.from_pretrained(tmp_path / "saved")
    pieces = [
        Piece(Prompted(mixture, "banjo", spans[each.start]), each, mixture[each.start : each.end])
        for each in loaded.windows(len(mixture))
    ]
    windows = [
        (each.window, heard.target) for each, heard in zip(pieces, loaded.hear_pieces(pieces), strict=True)
    ]
    expected = np.concatenate(list(crossfaded(windows)))
    target, _ = stems_of_a_file(tmp_path, mixture, RATE, "--predict-spans")
    np.testing.assert_allclose(target, expected, atol=1e-6)
    plain, _ = stems_of_a_file(tmp_path, mixture, RATE)
    assert np.abs(plain - target).max() > 1e-4


def stems_of_a_file(folder: Path, mixture: np.ndarray, rate: int, *more: str) -> list[np.ndarray]:
    """Target and residual that the command writes of a recording, by the separator in `saved`."""
    soundfile.write(folder / "mixture.wav", mixture, rate, subtype="FLOAT")
    arguments = ["separate", str(folder / "mixture.wav"), "--text", "banjo", "-o", str(folder / "out")]
    result = CliRunner().invoke(app, [*arguments, "--separator", str(folder / "saved"), *more])
    assert result.exit_code == 0, result.output
    return [soundfile.read(folder / "out" / f"{n}.wav", dtype="float32")[0] for n in ("target", "residual")]


def test_removing_leaves_the_residual_alone(separator, mixture, tmp_path):
    separator.save_pretrained(tmp_path / "saved")
    soundfile.write(tmp_path / "mixture.wav", mixture, RATE, subtype="FLOAT")
    arguments = ["separate", str(tmp_path / "mixture.wav"), "--text", "banjo", "--remove", "--json"]
    arguments += ["--separator", str(tmp_path / "saved"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"residual": str(tmp_path / "out" / "residual.wav")}
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["residual.wav"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to take out"),
        (["--span", "2,1"], "a span is START,END"),
        (["--predict-spans", "--span", "1,2"], "spans are predicted from a text alone"),
        (["--text", "rain", "missing"], "missing"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(separator, tmp_path, arguments, message):
    separator.save_pretrained(tmp_path / "saved")
    file = str(tmp_path / "no such file.wav")
    options = [each for each in arguments if each != "missing"]
    command = [
        "separate",
        file,
        "-o",
        str(tmp_path / "out"),
        "--separator",
        str(tmp_path / "saved"),
        *options,
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert message.replace("missing", "no such file.wav") in result.output
