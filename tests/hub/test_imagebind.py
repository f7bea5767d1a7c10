"""ImageBind: against the package's own functions, on its own network with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from imagebind_checkpoint import SmallImageBind, panned
from written_profiles import RATE

from dataengine.errors import UserError
from dataengine.models.imagebind_clips import imagebind_package
from dataengine.models.waveforms import resample

pytestmark = pytest.mark.hub

OWN_RATE = 16_000
HOP_SECONDS = 0.25

Scorer = Any


@pytest.fixture(scope="module")
def waveforms(real_recordings) -> list[np.ndarray]:
    """Six real recordings at the network's own rate, for the package resamples in another way."""
    chosen = [real_recordings[place] for place in (0, 3, 9, 14, -2, -1)]
    return [resample(each, RATE, OWN_RATE) for each in chosen]


@pytest.fixture(scope="module")
def videos(waveforms) -> list[np.ndarray]:
    """For each recording a video of its length, one of them upright, one longer than its sound."""
    lengths = [len(waveform) / OWN_RATE for waveform in waveforms]
    shapes = [(180, 320), (320, 180), (224, 224), (90, 160), (240, 320), (180, 320)]
    return [
        panned(("china.jpg", "flower.jpg")[place % 2], max(seconds, HOP_SECONDS), HOP_SECONDS, *shape)
        for place, (seconds, shape) in enumerate(zip(lengths, shapes, strict=True))
    ]


@pytest.fixture(scope="module")
def scorer(load_model, imagebind: SmallImageBind) -> Scorer:
    return load_model("audio_visual_scorer", "imagebind", weights=str(imagebind.checkpoint), clips_per_call=7)


def scored_by_the_package(imagebind: SmallImageBind, waveform: np.ndarray, frames: np.ndarray) -> float:
    """One recording and one video, prepared and scored by the package's functions alone."""
    import torch
    from pytorchvideo.transforms import ShortSideScale, UniformTemporalSubsample

    data = imagebind_package().data
    mels = []
    for place in range(3):
        start = max(len(waveform) - 2 * OWN_RATE, 0) * place // 2
        clip = torch.tensor(waveform[start : start + 2 * OWN_RATE])
        mel = data.waveform2melspec(clip[None], OWN_RATE, 128, 204)
        mels.append(data.transforms.Normalize(mean=-4.268, std=9.138)(mel))
    video = torch.tensor(frames).permute(3, 0, 1, 2) / 255.0
    times = np.arange(len(frames)) * HOP_SECONDS
    normalised = data.NormalizeVideo(
        mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711)
    )
    clips = []
    for start in np.linspace(0, max(len(frames) * HOP_SECONDS - 2, 0), 5):
        shown = np.flatnonzero((times > start - HOP_SECONDS + 1e-6) & (times < start + 2 - 1e-6))
        clips.append(normalised(ShortSideScale(224)(UniformTemporalSubsample(2)(video[:, shown]))))
    crops = data.SpatialCrop(224, num_crops=3)(clips)
    with torch.inference_mode():
        found = imagebind.network({"audio": torch.stack(mels)[None], "vision": torch.stack(crops)[None]})
    return float(torch.nn.functional.cosine_similarity(found["audio"], found["vision"])[0])


def test_scores_are_the_packages_own_whatever_else_is_in_the_call(scorer, imagebind, waveforms, videos):
    expected = np.array(
        [[scored_by_the_package(imagebind, waveform, frames) for frames in videos] for waveform in waveforms]
    )
    assert expected.std() > 0.01  # recordings and videos are told apart at all
    pairs = [(place, other) for place in range(len(waveforms)) for other in range(len(videos))]
    together = scorer.score(
        [waveforms[place] for place, _ in pairs],
        OWN_RATE,
        [videos[other] for _, other in pairs],
        [None] * len(pairs),
        HOP_SECONDS,
    )
    np.testing.assert_allclose(together.reshape(expected.shape), expected, atol=1e-4)
    alone = scorer.score(waveforms[1:2], OWN_RATE, videos[3:4], [None], HOP_SECONDS)
    np.testing.assert_allclose(alone, expected[1, 3], atol=1e-4)


def test_only_what_the_mask_covers_counts(scorer, imagebind, waveforms, videos):
    waveform, frames = waveforms[-1], videos[-1]
    mask = np.zeros(frames.shape[:3], dtype=np.uint8)
    mask[:, 40:140, 60:200] = 1
    elsewhere = np.where(mask[..., None] == 1, frames, 255 - frames)
    whole, masked, masked_elsewhere, everything = scorer.score(
        [waveform] * 4,
        OWN_RATE,
        [frames, frames, elsewhere, frames],
        [None, mask, mask, np.ones_like(mask)],
        HOP_SECONDS,
    )
    black = scored_by_the_package(imagebind, waveform, frames * mask[..., None])
    assert masked == pytest.approx(black, abs=1e-4)
    assert masked == pytest.approx(masked_elsewhere, abs=1e-6)
    assert abs(masked - whole) > 1e-3
    assert everything == pytest.approx(whole, abs=1e-6)


def test_the_shortest_sounds_and_videos_have_a_score(scorer, videos):
    tone = np.sin(np.arange(300) / 5).astype(np.float32)
    given = tone.copy()
    short = [tone, np.zeros(0, np.float32), np.zeros(400, np.float32)]
    scores = scorer.score(short, OWN_RATE, [videos[0][:1]] * 3, [None] * 3, HOP_SECONDS)
    assert np.isfinite(scores).all()
    assert scores[1] == pytest.approx(scores[2], abs=1e-6)
    np.testing.assert_array_equal(tone, given)  # the package would subtract its mean in place


def test_safetensors_serve_as_well(load_model, imagebind, scorer, waveforms, videos, tmp_path):
    from safetensors.torch import save_file

    save_file(imagebind.network.state_dict(), tmp_path / "model.safetensors")
    other = load_model("audio_visual_scorer", "imagebind", weights=str(tmp_path))
    given = (waveforms[:2], OWN_RATE, videos[:2], [None, None], HOP_SECONDS)
    np.testing.assert_allclose(other.score(*given), scorer.score(*given), atol=1e-6)
    assert other.card.commercial is False


def test_weights_of_another_network_are_one_line(load_model, imagebind, tmp_path):
    import torch

    lacking = imagebind.network.state_dict()
    del lacking["modality_trunks.audio.blocks.1.mlp.fc1.weight"]
    for weights, complaint in (
        ({"layer.weight": torch.zeros(3)}, "cannot be loaded as ImageBind"),
        (lacking, "cannot be loaded as ImageBind.*fc1.weight"),
    ):
        torch.save(weights, tmp_path / "other.pth")
        with pytest.raises(UserError, match=complaint):
            load_model("audio_visual_scorer", "imagebind", weights=str(tmp_path / "other.pth"))
