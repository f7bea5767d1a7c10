from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataengine.engine.batch import Batch
from dataengine.engine.stage import StageContext
from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Frames, Prompt
from stages.track import BOX, Track

CLIP = np.zeros((4, 6, 8, 3), dtype=np.uint8)
HOP = 0.25
WINDOW = {"start": pa.float64(), "duration": pa.float64()}
BOXES = dict.fromkeys(BOX, pa.float64())
TRACKERS = {"boxes": {"adapter": "sam2", "weights": "/none"}, "text": {"adapter": "sam3", "weights": "/none"}}


class Painter:
    """A tracker that paints the box it is shown from its time on, or all frames where it goes by the text."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Prompt, float]] = []

    def track(self, frames: Sequence[Frames], prompts: Sequence[Prompt], hop_seconds: float) -> list[Frames]:
        self.asked += [(id(clip), prompt, hop_seconds) for clip, prompt in zip(frames, prompts, strict=True)]
        return [self._painted(*each, hop_seconds) for each in zip(frames, prompts, strict=True)]

    @staticmethod
    def _painted(clip: Frames, prompt: Prompt, hop_seconds: float) -> Frames:
        time, height, width, _ = clip.shape
        mask = np.zeros((time, height, width), dtype=np.uint8)
        if prompt.visual is None or prompt.visual.box is None:
            return mask + 1
        left, top, right, bottom = np.multiply(prompt.visual.box, [width, height, width, height]).astype(int)
        mask[round(prompt.visual.seconds / hop_seconds) :, top:bottom, left:right] = 1
        return mask


def track(tracker: str, schema: dict[str, pa.DataType] | None = None) -> tuple[Track, Painter]:
    """The stage as a pipeline binds it; a painter in the place of the network."""
    stage = Track()
    profile = Profile(name="mine", sample_rate=16_000, models={"object_tracker": TRACKERS[tracker]})
    stage.bind(StageContext(16_000, 0, ProfileModels(profile), None, {**WINDOW, **(schema or {})}))
    stage.prepare()
    painter = Painter()
    stage._tracker = painter  # type: ignore[assignment]
    return stage, painter


def candidates(count: int, **columns: Any) -> Batch:
    given = {"frames": [CLIP] * count, "frames_hop_seconds": np.full(count, HOP, np.float32)}
    windows = {"start": np.zeros(count), "duration": np.ones(count)}
    return Batch({**given, "text": ["dog barking"] * count, **windows, **columns})


def boxes(*rows: tuple[Any, ...]) -> dict[str, list[Any]]:
    return dict(zip(BOX, map(list, zip(*rows, strict=True)), strict=True))


def test_the_mask_is_1_where_the_object_is_and_its_coverage_a_share_of_the_frame():
    stage, _ = track("boxes", BOXES)
    batch = stage.process(candidates(1, **boxes((0.0, 0.0, 0.5, 0.5))))
    (mask,) = batch["mask"]
    assert mask.shape == (4, 6, 8)
    assert mask.unpacked()[:, :3, :4].all()
    assert mask.unpacked().sum() == 4 * 3 * 4
    assert batch["mask_coverage"].tolist() == [0.25]


def test_no_frames_or_no_box_is_null_and_not_an_empty_mask():
    stage, painter = track("boxes", BOXES)
    here = (0.0, 0.0, 1.0, 1.0)
    batch = stage.process(candidates(3, **boxes((None,) * 4, here, here), frames=[CLIP, None, CLIP]))
    assert [mask is None for mask in batch["mask"]] == [True, True, False]
    assert np.isnan(batch["mask_coverage"]).tolist() == [True, True, False]
    assert len(painter.asked) == 1


def test_nothing_to_follow_in_a_whole_batch_asks_nobody():
    stage, painter = track("boxes", BOXES)
    batch = stage.process(candidates(2, **boxes((None,) * 4, (None,) * 4)))
    assert batch["mask"] == [None, None]
    assert not painter.asked


def test_a_box_counts_for_the_window_that_it_lies_in():
    stage, painter = track("boxes", {**BOXES, "box_seconds": pa.float64()})
    starts = {"start": np.array([0.0, 1.0, 2.0]), "duration": np.ones(3)}
    batch = stage.process(candidates(3, **boxes(*[(0, 0, 1, 1)] * 3), **starts, box_seconds=np.full(3, 1.5)))
    assert [mask is None for mask in batch["mask"]] == [True, False, True]
    ((_, prompt, hop),) = painter.asked
    assert prompt.visual is not None
    assert (prompt.visual.seconds, hop) == (0.5, HOP)
    assert batch["mask_coverage"][1] == 0.5  # the second half of the window
    batch = stage.process(candidates(3, **boxes(*[(0, 0, 1, 1)] * 3), **starts, box_seconds=np.full(3, 2.0)))
    assert [mask is None for mask in batch["mask"]] == [True, True, False]


def test_a_box_without_a_time_is_at_the_start_of_its_recording():
    stage, _ = track("boxes", {**BOXES, "box_seconds": pa.float64()})
    starts = {"start": np.array([0.0, 1.0]), "box_seconds": np.full(2, np.nan)}
    batch = stage.process(candidates(2, **boxes(*[(0, 0, 1, 1)] * 2), **starts))
    assert [mask is None for mask in batch["mask"]] == [False, True]


def test_a_tracker_that_goes_by_the_text_is_given_every_candidate_that_has_one():
    stage, painter = track("text")
    batch = stage.process(candidates(2, text=["dog barking", None]))
    assert [mask is None for mask in batch["mask"]] == [False, True]
    assert painter.asked == [(id(CLIP), Prompt("dog barking"), HOP)]


def test_a_box_that_is_none_is_an_error_of_its_row():
    stage, _ = track("boxes", BOXES)
    with pytest.raises(ValueError, match="no box of fractions of a frame"):
        stage.process(candidates(1, **boxes((10.0, 10.0, 200.0, 100.0))))
    with pytest.raises(ValueError, match="no box of fractions of a frame"):
        stage.process(candidates(1, **boxes((0.1, None, 0.5, 0.5))))


def test_boxes_are_read_where_the_tracker_goes_by_them():
    stage, _ = track("boxes", {**BOXES, "box_seconds": pa.int64()})
    assert {*BOX, "box_seconds", "start", "duration"} <= set(stage.columns_read())
    stage, _ = track("text", BOXES)
    assert set(stage.columns_read()) == {"frames", "frames_hop_seconds", "text"}


def test_a_tracker_that_has_nothing_to_go_by_is_told_before_anything_starts():
    with pytest.raises(
        UserError, match=r"follows boxes, and the manifest has no column 'box_left'; name boxes"
    ):
        track("boxes")
    with pytest.raises(UserError, match="no column 'box_bottom'"):
        track("boxes", {name: pa.float64() for name in BOX[:3]})
    with pytest.raises(UserError, match="column 'box_top' is string, where numbers are due"):
        track("boxes", {**BOXES, "box_top": pa.string()})
