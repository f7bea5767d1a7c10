"""SAM 2 by Meta's package: against the package called directly, and against transformers on the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sam_checkpoints import Sam2s, moving_square, small_package

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.clip_tracker import ClipTracker, visual_of
from dataengine.models.roles import Frames, Prompt, VisualPrompt
from dataengine.models.sam2 import Sam2, prepare
from dataengine.models.torch_inference import start_torch

pytestmark = pytest.mark.hub

HOP = 0.1
BOX = (0.25, 0.25, 0.5, 0.5)


def as_jpegs(clip: Frames, folder: Path) -> Frames:
    """Write a clip as the package reads it; the frames that it will read."""
    from PIL import Image

    for number, frame in enumerate(clip):
        Image.fromarray(frame).save(folder / f"{number}.jpg", quality=95)
    return np.stack([np.asarray(Image.open(folder / f"{number}.jpg")) for number in range(len(clip))])


def directly(predictor: Any, folder: Path, shape: tuple[int, ...], shown: int) -> np.ndarray:
    """The package with the whole clip in its state and all that it remembers."""
    state = predictor.init_state(str(folder))
    height, width = shape[1:3]
    box = np.array(BOX) * [width, height, width, height]
    predictor.add_new_points_or_box(state, frame_idx=shown, obj_id=7, box=box.astype(np.float32))
    masks = np.zeros(shape[:3], dtype=np.uint8)
    for reverse in (False, True):
        for number, _, logits in predictor.propagate_in_video(state, reverse=reverse):
            masks[number] = logits[0, 0].numpy() > 0
    return masks


@pytest.fixture(scope="module")
def published(sam2s: Sam2s, load_model, tmp_path_factory) -> tuple[Path, Frames, np.ndarray]:
    """A clip as big as what the smallest published network sees, so that nobody resizes it, and its masks."""
    folder = tmp_path_factory.mktemp("jpegs")
    clip = as_jpegs(moving_square(2, 1024, 1024), folder)
    options = {"weights": str(sam2s.checkpoint), "network": "sam2.1_hiera_tiny"}
    tracker = load_model("object_tracker", "sam2", **options)
    return folder, clip, tracker.track([clip], [Prompt(visual=VisualPrompt(box=BOX))], HOP)[0]


def test_masks_are_the_packages_own(sam2s: Sam2s, published):
    folder, clip, masks = published
    expected = directly(sam2s.predictor, folder, clip.shape, 0)
    assert 0.01 < expected.mean() < 0.99
    np.testing.assert_array_equal(masks, expected)


def test_transformers_gives_the_same_masks_for_the_same_weights(sam2s: Sam2s, load_model, published):
    _, clip, masks = published
    tracker = load_model("object_tracker", "sam2_transformers", weights=str(sam2s.folder))
    (found,) = tracker.track([clip], [Prompt(visual=VisualPrompt(box=BOX))], HOP)
    assert np.mean(found != masks) < 1e-4


def test_masks_are_the_packages_own_in_both_directions_although_less_is_remembered(tmp_path):
    """Seventeen frames on either side of the prompt: more than the network looks back to."""
    inference = start_torch(Runtime(), "float32")  # with the threads that both are to have
    predictor = small_package(128)
    clip = as_jpegs(moving_square(36, 96, 160), tmp_path)
    expected = directly(predictor, tmp_path, clip.shape, 18)
    assert 0.01 < expected.mean() < 0.99
    assert len({mask.tobytes() for mask in expected}) > 30
    tracker = ClipTracker(None, visual_of, Sam2(predictor, inference))
    (masks,) = tracker.track([clip], [Prompt(visual=VisualPrompt(box=BOX, seconds=1.8))], HOP)
    np.testing.assert_array_equal(masks, expected)


def test_frames_are_prepared_as_the_package_prepares_them(tmp_path):
    from sam2.utils.misc import load_video_frames

    (frame,) = as_jpegs(moving_square(1, 90, 160), tmp_path)
    expected, height, width = load_video_frames(str(tmp_path), 1024, offload_video_to_cpu=True)
    assert (height, width) == (90, 160)
    np.testing.assert_allclose(prepare(frame, 1024), expected[0], atol=1e-6)


def test_a_checkpoint_of_another_network_is_one_line(sam2s: Sam2s, load_model):
    with pytest.raises(UserError, match=r"is no checkpoint of sam2\.1_hiera_small") as caught:
        load_model("object_tracker", "sam2", weights=str(sam2s.checkpoint), network="sam2.1_hiera_small")
    assert "\n" not in str(caught.value)


def test_hydra_stays_as_it_was(sam2s: Sam2s, load_model):
    from hydra import initialize_config_module, version
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    initialize_config_module("json", version_base="1.3")
    mine = GlobalHydra.instance().hydra
    try:
        load_model("object_tracker", "sam2", weights=str(sam2s.checkpoint), network="sam2.1_hiera_tiny")
        assert GlobalHydra.instance().hydra is mine
        assert str(version.VersionBase.instance().getbase()) == "1.3"
    finally:
        GlobalHydra.instance().clear()
