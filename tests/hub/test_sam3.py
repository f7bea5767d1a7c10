"""SAM 3 by transformers: against the library called directly, on a small network with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sam_checkpoints import moving_square

from dataengine.errors import UserError
from dataengine.models.roles import Prompt, VisualPrompt

pytestmark = pytest.mark.hub

HOP = 0.1
JUDGED = {
    "instances_that_the_detector_confirms": {},
    "instances_that_are_taken_back": {
        "hotstart_delay": 5,
        "hotstart_unmatch_thresh": 5,
        "hotstart_dup_thresh": 5,
    },
}


@pytest.fixture(scope="module", params=JUDGED)
def folder(request, small_sam3: Path, tmp_path_factory) -> Path:
    """The same weights with other rules for what counts as an instance."""
    folder = tmp_path_factory.mktemp("judged") / "sam3"
    shutil.copytree(small_sam3, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **JUDGED[request.param]}))
    return folder


@pytest.fixture(scope="module")
def tracker(folder: Path, load_model) -> Any:
    return load_model("object_tracker", "sam3", weights=str(folder), instances=3)


@pytest.fixture(scope="module")
def directly(folder: Path) -> Any:
    """The library with the whole clip in its session, its own iterator and all that it remembers."""
    from transformers import Sam3VideoModel, Sam3VideoProcessor

    model = Sam3VideoModel.from_pretrained(folder, max_num_objects=3).eval()
    processor = Sam3VideoProcessor.from_pretrained(folder)

    def track(clip: np.ndarray, text: str) -> list[np.ndarray]:
        """For each frame the masks of its instances [instances, height, width]."""
        session = processor.init_video_session(video=clip)
        processor.add_text_prompt(session, text)
        found = model.propagate_in_video_iterator(session)
        return [processor.postprocess_outputs(session, each)["masks"].numpy() for each in found]

    return track


def test_a_mask_is_the_union_of_the_librarys_instances(tracker, directly):
    clip = moving_square(28, 70, 112)
    instances = directly(clip, "a dog")
    expected = np.stack([each.any(axis=0) for each in instances])
    assert 0.01 < expected.mean() < 0.99
    assert len({mask.tobytes() for mask in expected}) > 20
    (mask,) = tracker.track([clip], [Prompt("a dog")], HOP)
    np.testing.assert_array_equal(mask, expected)


def test_texts_of_one_clip_share_what_is_seen_and_nothing_else(tracker):
    clip, other = moving_square(8, 70, 112), moving_square(3, 50, 50)
    prompts = [Prompt("a dog"), Prompt("two cats"), Prompt("a dog"), Prompt("a dog")]
    together = tracker.track([clip, clip, other, clip], prompts, HOP)
    assert together[0] is together[3]
    assert np.any(together[0] != together[1])
    for frames, prompt, mask in zip((other, clip, clip), prompts[2::-1], together[2::-1], strict=True):
        np.testing.assert_array_equal(tracker.track([frames], [prompt], HOP)[0], mask)


def test_a_text_that_is_too_long_for_the_network_is_cut(tracker):
    clip = moving_square(2, 70, 112)
    words = "a dog with a long story that nobody would have told in so many words"
    one, other = (tracker.track([clip], [Prompt(text)], HOP)[0] for text in (words, words + " before"))
    np.testing.assert_array_equal(one, other)


def test_a_prompt_without_text_is_refused(tracker):
    with pytest.raises(ValueError, match="what a text names"):
        tracker.track([moving_square(1, 70, 112)], [Prompt(visual=VisualPrompt(box=(0, 0, 1, 1)))], HOP)


def test_a_tokenizer_of_another_vocabulary_is_refused(small_sam3: Path, load_model, tmp_path):
    from transformers import CLIPTokenizer

    shutil.copytree(small_sam3, tmp_path / "sam3")
    CLIPTokenizer().save_pretrained(tmp_path / "sam3")
    with pytest.raises(UserError, match=r"has \d+ tokens and the text encoder 54"):
        load_model("object_tracker", "sam3", weights=str(tmp_path / "sam3"))
