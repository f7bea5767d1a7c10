"""From a window of a video to its frames."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
from pydantic import Field

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from manifests.media import Frames as Pictures
from manifests.media import open_video
from manifests.schema import FRAMES


class Frames(Stage):
    """Reads what is seen in each window, at fixed times from its start; null where no picture is shown.

    The candidates of a window share one array, wherever in a pipeline the stage stands: after the stages that
    reject most of them, fewer videos are decoded. The defaults leave what the reference's models look at: ImageBind
    takes 224 pixels of the shorter side and two frames of two seconds; a tracker wants steps that are not too large.
    Ten seconds of 16:9 are 18 MB. A bad recording raises `manifests.media.MediaError`; storage that fails raises
    OSError.
    """

    reads = ("uri", "start", "duration", "has_video")
    adds = {"frames": FRAMES, "frames_hop_seconds": pa.float32()}

    frames_per_second: float = Field(default=4.0, gt=0, le=60)
    longest_side: int = Field(default=512, ge=32, le=2048)
    """Pixels; larger pictures are scaled to it."""

    def process(self, batch: Batch) -> Batch:
        """Windows of one recording are read together, so that it is opened once."""
        starts, durations = np.asarray(batch["start"], float), np.asarray(batch["duration"], float)
        windows_of: dict[str, dict[tuple[float, float], list[int]]] = defaultdict(lambda: defaultdict(list))
        for row, (uri, has_video) in enumerate(zip(batch["uri"], batch["has_video"], strict=True)):
            if has_video:
                windows_of[uri][starts[row], durations[row]].append(row)
        frames: list[Pictures | None] = [None] * len(batch)
        for uri, windows in windows_of.items():
            with open_video(uri) as video:
                for (start, duration), rows in sorted(windows.items()):
                    seen = video.read(start, duration, self.frames_per_second, self.longest_side)
                    for row in rows:
                        frames[row] = seen
        hops = [np.nan if seen is None else 1 / self.frames_per_second for seen in frames]
        return batch.with_columns(frames=frames, frames_hop_seconds=np.array(hops, np.float32))
