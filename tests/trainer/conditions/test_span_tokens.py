"""Spans as tokens."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.conditions.spans import INSIDE, NULL, OUTSIDE, span_tokens

HOP = 0.032
CENTRES = torch.arange(100) * HOP
ENDS = float(CENTRES[-1])

SPANS = st.lists(
    st.tuples(st.integers(0, 2_000), st.integers(1, 1_000)).map(
        lambda each: (each[0] / 1_000 + 1e-4, (each[0] + each[1]) / 1_000 + 1e-4)
    ),
    max_size=4,
)
"""Their edges fall on no frame's centre."""


@given(SPANS, SPANS)
def test_what_is_said_of_a_frame_follows_from_the_spans_its_centre_is_in(present, absent):
    tokens = span_tokens(present, absent, CENTRES)
    for centre, token in zip(CENTRES.tolist(), tokens.tolist(), strict=True):
        if any(start <= centre < end for start, end in present):
            assert token == INSIDE
        elif all(abs(centre - (start + end) / 2) > HOP for start, end in present):
            in_absent = any(start <= centre < end for start, end in absent)
            near_one = any(abs(centre - (start + end) / 2) <= HOP for start, end in absent)
            assert token == OUTSIDE or not in_absent
            assert token == NULL or in_absent or near_one


@given(st.floats(0, ENDS), st.floats(1e-4, 0.02))
def test_no_span_is_too_short_to_be_seen(start, seconds):
    tokens = span_tokens([(start, start + seconds)], [], CENTRES)
    (seen,) = torch.nonzero(tokens == INSIDE)[:, 0].tolist()
    assert abs(CENTRES[seen] - start) <= HOP / 2 + seconds


def test_no_spans_say_nothing():
    assert (span_tokens([], [], CENTRES) == NULL).all()
