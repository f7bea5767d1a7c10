"""Which pixels of a window's frames belong to what a candidate's prompt names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.errors import UserError
from dataengine.models.roles import ObjectTracker, Prompt, VisualPrompt
from manifests.masks import PackedMask
from manifests.schema import MASKS

BOX = ("box_left", "box_top", "box_right", "box_bottom")
BOX_SECONDS = "box_seconds"


class Track(Stage):
    """Follow each candidate's object through its frames: `mask`, and the share of the frame that it covers.

    Some trackers find an object by the text of the prompt (SAM 3). Others follow a box (SAM 2), which the user's
    metadata give: `box_left`, `box_top`, `box_right` and `box_bottom`, as fractions of the frame, 0..1, and, if it is
    not at the recording's start, `box_seconds` from there. A recording has one box. It counts for the window that it
    lies in, and there for every candidate: whether it belongs to one is for `audio_visual` to say.

    Both columns are null where there are no frames, or nothing that the tracker goes by. Where it finds nothing, the
    mask is empty.
    """

    reads = ("frames", "frames_hop_seconds", "text")
    adds = {"mask": MASKS, "mask_coverage": pa.float32()}
    roles = ("object_tracker",)

    _goes_by: frozenset[str] = PrivateAttr(default=frozenset())
    _tracker: ObjectTracker | None = PrivateAttr(default=None)

    def prepare(self) -> None:
        """See what the profile's tracker goes by. Raises UserError if the manifest has nothing of it."""
        self._goes_by = self.context.models.adapter("object_tracker").prompts
        if "visual" in self._goes_by:
            self._check_boxes()

    def columns_read(self) -> tuple[str, ...]:
        """Boxes too, where there are some and the tracker goes by them."""
        if "visual" not in self._goes_by:
            return self.reads
        given = [name for name in (*BOX, BOX_SECONDS) if name in self.context.schema]
        return (*self.reads, "start", "duration", *given)

    def setup(self) -> None:
        """Load the tracker."""
        self._tracker = self.context.models.load("object_tracker")

    def process(self, batch: Batch) -> Batch:
        """Add `mask` and `mask_coverage`."""
        assert self._tracker is not None
        clips, hops = batch["frames"], np.asarray(batch["frames_hop_seconds"], dtype=float)
        prompts = self._prompts(batch)
        masks: list[PackedMask | None] = [None] * len(batch)
        for hop in np.unique(hops[list(prompts)]):
            rows = [row for row in prompts if hops[row] == hop]
            found = self._tracker.track(
                [clips[row] for row in rows], [prompts[row] for row in rows], float(hop)
            )
            packed = {id(mask): PackedMask.of(mask) for mask in found}
            for row, mask in zip(rows, found, strict=True):
                masks[row] = packed[id(mask)]
        coverage = [np.nan if mask is None else mask.coverage for mask in masks]
        return batch.with_columns(mask=masks, mask_coverage=np.array(coverage, dtype=np.float32))

    def _check_boxes(self) -> None:
        schema = self.context.schema
        missing = [name for name in BOX if name not in schema]
        if missing and "text" not in self._goes_by:
            raise UserError(
                f"the profile's object_tracker follows boxes, and the manifest has no column {missing[0]!r}; name "
                f"boxes in a metadata table ({', '.join(BOX)}), or use a tracker that goes by the text, such as sam3"
            )
        for name in (*BOX, BOX_SECONDS):
            kind = schema.get(name, pa.float64())
            if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
                raise UserError(f"the manifest's column {name!r} is {kind}, where numbers are due")

    def _prompts(self, batch: Batch) -> dict[int, Prompt]:
        """Row → its prompt, where there are frames and anything that the tracker goes by."""
        prompts: dict[int, Prompt] = {}
        columns = zip(batch["frames"], batch["text"], self._shown(batch), strict=True)
        for row, (clip, text, visual) in enumerate(columns):
            prompt = Prompt(text=text, visual=visual)
            if clip is not None and any(getattr(prompt, name) for name in self._goes_by):
                prompts[row] = prompt
        return prompts

    def _shown(self, batch: Batch) -> Sequence[VisualPrompt | None]:
        """For each row the box that lies in its window."""
        if "visual" not in self._goes_by or BOX[0] not in batch:
            return [None] * len(batch)
        boxes = zip(*(_numbers(batch[name]) for name in BOX), strict=True)
        at = np.nan_to_num(_numbers(batch[BOX_SECONDS])) if BOX_SECONDS in batch else np.zeros(len(batch))
        since = at - np.asarray(batch["start"], dtype=float)
        inside = (since >= 0) & (since < np.asarray(batch["duration"], dtype=float))
        return [
            VisualPrompt(box=box, seconds=float(seconds)) if is_inside and not all(np.isnan(box)) else None
            for box, seconds, is_inside in zip(boxes, since, inside, strict=True)
        ]


def _numbers(column: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if each is None else each for each in column], dtype=np.float64)
