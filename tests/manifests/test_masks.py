"""Masks in bits: nothing is lost, and coverage is the share of the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manifests.masks import PackedMask

masks = arrays(np.uint8, st.tuples(*[st.integers(0, 9)] * 3), elements=st.integers(0, 1))


@given(masks)
def test_a_mask_comes_back_as_it_was(mask):
    packed = PackedMask.of(mask)
    assert packed.bits.nbytes == -(-mask.size // 8)
    np.testing.assert_array_equal(packed.unpacked(), mask)


def test_coverage_is_the_share_of_the_pixels_over_all_frames():
    mask = np.zeros((2, 3, 5), dtype=bool)
    mask[0, :, :2] = True  # two fifths of the first frame, nothing of the second
    assert PackedMask.of(mask).coverage == pytest.approx(0.2)
    assert PackedMask.of(~mask).coverage == pytest.approx(0.8)
    assert PackedMask.of(mask[:0]).coverage == 0


@pytest.mark.parametrize(
    ("mask", "complaint"),
    [
        (np.zeros((2, 3)), r"float64 \(2, 3\)"),
        (np.full((1, 2, 2), 255, np.uint8), "0 or 1 .* not 255"),
    ],
)
def test_what_is_no_mask_is_refused(mask, complaint):
    with pytest.raises(ValueError, match=complaint):
        PackedMask.of(mask)
