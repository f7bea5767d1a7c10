"""SAM 2 by transformers: against the library called directly, on a small network with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sam_checkpoints import moving_square

from dataengine.models.roles import Prompt, VisualPrompt

pytestmark = pytest.mark.hub

HOP = 0.1
BOX = VisualPrompt(box=(0.25, 0.25, 0.5, 0.5), seconds=0.1)


@pytest.fixture(scope="module")
def tracker(small_sam2: Path, load_model) -> Any:
    return load_model("object_tracker", "sam2_transformers", weights=str(small_sam2))


@pytest.fixture(scope="module")
def library(small_sam2: Path) -> tuple[Any, Any]:
    from transformers import Sam2VideoModel, Sam2VideoProcessor

    return Sam2VideoModel.from_pretrained(small_sam2).eval(), Sam2VideoProcessor.from_pretrained(small_sam2)


def directly(library: tuple[Any, Any], clip: np.ndarray, shown: int, **inputs: Any) -> np.ndarray:
    """The library with the whole clip in its session and all that it remembers."""
    model, processor = library
    session = processor.init_video_session(video=clip)
    processor.add_inputs_to_inference_session(session, frame_idx=shown, obj_ids=1, **inputs)
    masks = np.zeros(clip.shape[:3], dtype=np.uint8)
    for reverse in (False, True):
        for found in model.propagate_in_video_iterator(session, shown, reverse=reverse):
            (mask,) = processor.post_process_masks([found.pred_masks], [clip.shape[1:3]])
            masks[found.frame_idx] = mask[0, 0]
    return masks


def test_masks_are_the_librarys_own_although_less_is_remembered(tracker, library):
    """Twenty frames on either side of the prompt: more than the network looks back to."""
    clip = moving_square(45, 96, 160)
    prompt = VisualPrompt(box=BOX.box, seconds=2.2)
    expected = directly(library, clip, 22, input_boxes=[[[40.0, 24.0, 80.0, 48.0]]])
    assert 0.01 < expected.mean() < 0.99
    assert len({mask.tobytes() for mask in expected}) > 40
    (masks,) = tracker.track([clip], [Prompt(visual=prompt)], HOP)
    np.testing.assert_array_equal(masks, expected)


def test_points_are_as_good_as_a_box(tracker, library):
    clip = moving_square(4, 96, 160)
    points = {"input_points": [[[[40.0, 24.0], [80.0, 48.0]]]], "input_labels": [[[1, 1]]]}
    expected = directly(library, clip, 0, **points)
    prompt = VisualPrompt(points=((0.25, 0.25), (0.5, 0.5)))
    (masks,) = tracker.track([clip], [Prompt(visual=prompt)], HOP)
    np.testing.assert_array_equal(masks, expected)


def test_a_mask_does_not_depend_on_what_else_is_in_the_call(tracker):
    clips = [moving_square(3, 96, 160), moving_square(6, 64, 64), moving_square(1, 90, 50)]
    prompts = [Prompt(visual=BOX), Prompt(visual=VisualPrompt(points=((0.4, 0.4),))), Prompt(visual=BOX)]
    together = tracker.track(clips, prompts, HOP)
    assert [mask.shape for mask in together] == [clip.shape[:3] for clip in clips]
    for clip, prompt, mask in zip(reversed(clips), reversed(prompts), reversed(together), strict=True):
        np.testing.assert_array_equal(tracker.track([clip], [prompt], HOP)[0], mask)


def test_candidates_that_ask_for_the_same_in_a_clip_share_its_mask(tracker):
    clip = moving_square(3, 96, 160)
    other = VisualPrompt(box=(0.0, 0.5, 0.5, 1.0))
    prompts = [Prompt("a", visual=BOX), Prompt("b", visual=other), Prompt("c", visual=BOX)]
    first, second, third = tracker.track([clip] * 3, prompts, HOP)
    assert first is third
    assert np.any(first != second)


def test_a_prompt_after_the_last_frame_shows_the_object_there(tracker):
    clip = moving_square(3, 96, 160)
    late, last = (Prompt(visual=VisualPrompt(box=BOX.box, seconds=each)) for each in (9.0, 0.2))
    np.testing.assert_array_equal(*(tracker.track([clip], [each], HOP)[0] for each in (late, last)))


def test_a_clip_without_frames_has_a_mask_without_frames(tracker):
    (mask,) = tracker.track([np.zeros((0, 96, 160, 3), np.uint8)], [Prompt(visual=BOX)], HOP)
    assert mask.shape == (0, 96, 160)


def test_a_prompt_that_shows_nothing_is_refused(tracker):
    with pytest.raises(ValueError, match="what a box or points show"):
        tracker.track([moving_square(1, 96, 160)], [Prompt("a dog")], HOP)


def test_its_licence_is_known_where_it_is_published(load_model):
    from dataengine.models.sam2_transformers import Sam2TransformersAdapter

    weights = "hf://facebook/sam2.1-hiera-base-plus"
    assert Sam2TransformersAdapter(weights=weights)._licence().name == "Apache-2.0"
