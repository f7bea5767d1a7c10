"""Spans as tokens."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.conditions.spans import INSIDE, NULL, OUTSIDE, span_tokens

CENTRES = torch.arange(100) * 0.032

SPANS = st.lists(
    st.tuples(st.floats(0, 3.1), st.floats(0.001, 1)).map(lambda each: (each[0], each[0] + each[1])),
    min_size=1,
)


@given(SPANS)
def test_frames_whose_centre_is_in_a_span_are_inside_and_every_span_is_seen(spans):
    tokens = span_tokens(spans, CENTRES)
    assert set(tokens.tolist()) <= {INSIDE, OUTSIDE}
    for start, end in spans:
        inside = (start <= CENTRES) & (end > CENTRES)
        assert (tokens[inside] == INSIDE).all()
        near = (CENTRES - (start + end) / 2).abs() < max(0.017, (end - start) / 2) + (end > CENTRES[-1])
        assert (tokens[near] == INSIDE).any()


@given(SPANS)
def test_frames_outside_all_spans_are_outside(spans):
    tokens = span_tokens(spans, CENTRES)
    for frame, centre in enumerate(CENTRES.tolist()):
        if all(centre < start - 0.033 or centre > end + 0.033 for start, end in spans) and centre < 3.1:
            assert tokens[frame] == OUTSIDE


def test_no_spans_say_nothing():
    assert (span_tokens([], CENTRES) == NULL).all()
