"""A clip four times as long does not take four times the memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from peaks_of_tracking import LONG, SHORT

pytestmark = pytest.mark.hub

PREPARED_FRAME = 224 * 224 * 3 * 4
"""Bytes of a frame as the small networks take it, at least."""


@pytest.mark.parametrize("adapter", ["sam2", "sam2_transformers", "sam3"])
def test_what_is_held_of_a_clip_does_not_grow_with_it(adapter: str):
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, here / "peaks_of_tracking.py", adapter],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    short, long = map(int, done.stdout.split()[-2:])
    assert long - short < (LONG - SHORT) * PREPARED_FRAME / 3
