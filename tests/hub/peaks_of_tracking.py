"""Follows an object through a clip and one four times as long; prints the process's peak after each, in bytes.

Run by test_tracking_memory.py, in a process of its own: a peak never falls.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sam_checkpoints import moving_square, small_package, write_small_sam2, write_small_sam3

from dataengine.models.adapter import Runtime
from dataengine.models.clip_tracker import Follower
from dataengine.models.roles import VisualPrompt
from dataengine.models.sam2 import Sam2
from dataengine.models.sam2_transformers import load_sam2
from dataengine.models.sam3 import load_sam3
from dataengine.models.torch_inference import start_torch

SHORT, LONG = 12, 48
BOX = VisualPrompt(box=(0.25, 0.25, 0.5, 0.5))


def follower(adapter: str, home: Path) -> Follower:
    """A library with a network that sees frames of some 256 pixels: 0.8 MB each, prepared."""
    if adapter == "sam2":
        return Sam2(small_package(), start_torch(Runtime(), "float32"))
    if adapter == "sam2_transformers":
        return load_sam2(write_small_sam2(home, 256), "small", Runtime(), "float32")
    return load_sam3(write_small_sam3(home, 224), "small", Runtime(), "float32", instances=2)


if __name__ == "__main__":
    name = sys.argv[1]
    with TemporaryDirectory() as folder:
        library = follower(name, Path(folder))
    for frames in (SHORT, LONG):
        asked = "a dog" if name == "sam3" else BOX
        for _ in library.follow(moving_square(frames, 48, 64), [asked], 0.1):
            pass
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
