"""Span prompts tell the truth."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.span_prompts import draw_span_prompt

SECONDS = 10.0

SOUNDING = st.lists(st.floats(0, SECONDS), max_size=8, unique=True).map(
    lambda edges: np.array(sorted(edges)[: len(edges) // 2 * 2], float).reshape(-1, 2)
)


@given(sounding=SOUNDING, seed=st.integers(0, 2**32))
def test_the_target_sounds_in_what_is_present_and_not_in_what_is_absent(sounding, seed):
    prompt = draw_span_prompt(sounding, SECONDS, np.random.default_rng(seed))
    for start, end in prompt.present:
        assert start <= end
        assert ((sounding[:, 0] <= start + 1e-9) & (end <= sounding[:, 1] + 1e-9)).any()
    for start, end in prompt.absent:
        assert 0 <= start < end <= SECONDS
        assert not ((sounding[:, 0] < end) & (start < sounding[:, 1])).any()


def test_half_of_the_prompts_say_everything_and_the_others_point():
    sounding, random = np.array([[1.0, 3.0], [5.0, 6.0]]), np.random.default_rng(0)
    prompts = [draw_span_prompt(sounding, SECONDS, random) for _ in range(2_000)]
    exact = [prompt for prompt in prompts if prompt.absent]
    assert set(exact) == {(((1.0, 3.0), (5.0, 6.0)), ((0.0, 1.0), (3.0, 5.0), (6.0, SECONDS)))}
    assert 0.45 < len(exact) / len(prompts) < 0.55
    assert {len(prompt.present) for prompt in prompts if not prompt.absent} == {1, 2, 3}


def test_a_silent_target_has_no_present_spans():
    random = np.random.default_rng(0)
    prompts = {draw_span_prompt(np.empty((0, 2)), SECONDS, random) for _ in range(100)}
    assert prompts == {((), ()), ((), ((0.0, SECONDS),))}
