"""The tagger: the float network against the graph that ships, and what it hears in real clips."""

from __future__ import annotations

import zipfile

import numpy as np
import onnxruntime
import pytest

from dataengine.models.adapter import Runtime
from dataengine.models.onnx_session import open_session
from dataengine.models.yamnet import LOG_OFFSET, WEIGHTS, class_names, float_graph, log_mel_patches

RATE = 16_000
INPUT_SCALE, INPUT_ZERO = 0.04793788, 144
"""How the shipped graph counts its input in 8 bits."""

CLEAR_CLIPS = {
    "banjo": "Banjo",
    "flute": "Flute",
    "harp": "Harp",
    "drum kit": "Drum kit",
    "beatboxing": "Beatboxing",
    "dog barking": "Dog",
    "sheep": "Sheep",
    "rooster": "Chicken, rooster",
    "owl": "Owl",
    "baby crying": "Baby cry, infant cry",
    "steam train": "Steam whistle",
    "horse galloping": "Horse",
    "crickets": "Cricket",
}


@pytest.fixture(scope="module")
def tagger(models):
    return models.load("tagger")


def test_names_the_521_classes_of_audioset(tagger):
    assert len(tagger.classes) == len(set(tagger.classes)) == 521
    assert tagger.classes[0] == "Speech"


@pytest.mark.parametrize(("label", "expected"), CLEAR_CLIPS.items())
def test_hears_what_a_clear_clip_holds_among_its_first_five(tagger, recordings, label, expected):
    (clip, *_) = recordings("calibrate", label=label)
    (tags,) = tagger.tag([clip.waveform], RATE)
    strongest = np.argsort(-tags.probabilities.max(axis=0))[:5]
    assert expected in {tagger.classes[number] for number in strongest}


def test_the_float_network_agrees_with_the_quantised_graph_that_ships(recordings, tmp_path):
    """The shipped graph answers in steps of 0.76 logits, after 8-bit activations throughout."""
    archive, _ = WEIGHTS.paths()
    with zipfile.ZipFile(archive) as members:
        members.extractall(tmp_path)
    (graph,) = tmp_path.rglob("*.onnx")
    options = onnxruntime.SessionOptions()
    # Fused, sums of products overflow 16 bits on processors without VNNI; unfused, each value is dequantised first.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    shipped = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    clips = recordings("calibrate", category="sound", count=12)
    patches = np.concatenate([log_mel_patches(each.waveform) for each in clips])
    codes = np.clip(np.round(patches / INPUT_SCALE) + INPUT_ZERO, 0, 255).astype(np.uint8)
    answers = np.concatenate([shipped.run(None, {"audio": code[None]})[0] for code in codes])
    expected = (answers.astype(np.float32) - 190) * 0.7565417
    logits, _ = open_session(float_graph(archive), Runtime()).run(None, {"audio": patches})
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.97
    assert np.median(np.abs(logits - expected)) < 0.76
    shared = [
        len({*np.argsort(-a)[:5]} & {*np.argsort(-b)[:5]}) for a, b in zip(logits, expected, strict=True)
    ]
    assert np.mean(shared) > 4


def test_silence_is_the_lowest_value_the_shipped_graph_can_take():
    """The front end's offset is the one the network was made for: ln(1e-3) = −144 × 0.0479."""
    silent = log_mel_patches(np.zeros(RATE, np.float32))
    assert silent.min() == silent.max() == pytest.approx(np.log(LOG_OFFSET))
    assert silent.min() == pytest.approx(-INPUT_ZERO * INPUT_SCALE, abs=0.01)


def test_a_tone_lies_in_the_band_of_its_frequency():
    """1 kHz is mel 1000; the 64 bands lie evenly between the mels of 125 and 7500 Hz."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE).astype(np.float32)
    loudest = log_mel_patches(tone).mean(axis=(0, 1, 2)).argmax()
    low, high = (1127 * np.log1p(hertz / 700) for hertz in (125, 7500))
    expected = (1127 * np.log1p(1000 / 700) - low) / (high - low) * 65 - 1
    assert abs(loudest - expected) < 1


@pytest.mark.parametrize(("seconds", "frames"), [(0.0, 1), (0.2, 1), (0.975, 1), (0.98, 2), (10.0, 20)])
def test_frames_cover_the_waveform_at_a_hop_of_480_ms(tagger, seconds, frames):
    (tags,) = tagger.tag([np.zeros(round(seconds * RATE), np.float32)], RATE)
    assert tags.probabilities.shape == (frames, 521)
    assert tags.embeddings.shape == (frames, 1024)
    assert tagger.hop_seconds == 0.48


def test_a_sound_is_heard_in_the_frames_where_it_sounds(tagger, recordings):
    (banjo,) = recordings("calibrate", label="banjo")
    late = np.concatenate([np.zeros(6 * RATE, np.float32), banjo.waveform])
    (tags,) = tagger.tag([late], RATE)
    heard = tags.probabilities[:, tagger.classes.index("Banjo")]
    assert heard[:10].max() < 0.05
    assert heard[12:].max() > 0.5


def test_hears_the_same_at_another_sample_rate(tagger, recordings):
    (owl,) = recordings("calibrate", label="owl")
    upsampled = np.repeat(owl.waveform, 3)  # images above 8 kHz, which resampling takes off again
    low, high = tagger.tag([owl.waveform], RATE), tagger.tag([upsampled], 3 * RATE)
    names = [{*np.argsort(-tags.probabilities.max(axis=0))[:3]} for tags in (low[0], high[0])]
    assert len(names[0] & names[1]) >= 2


def test_class_names_are_read_from_the_package():
    assert "Bell" in class_names(WEIGHTS.paths()[1])
