import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.evaluation.peeling import OPEN, Box, at_yield, between, peel

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.random((2000, 3)).astype(np.float32)


def test_a_corner_of_right_rows_is_found() -> None:
    right = (SCORES[:, 0] > 0.6) & (SCORES[:, 1] > 0.3)
    thresholds = at_yield(peel(SCORES, right), 0.95).box.thresholds
    assert thresholds[:2] == pytest.approx([0.6, 0.3], abs=0.03)
    assert thresholds[2] == OPEN


def test_paths_go_from_everything_to_less() -> None:
    right = RANDOM.random(2000) < SCORES[:, 0]
    path = peel(SCORES, right)
    assert path[0].rows == 2000
    assert [step.rows for step in path] == sorted((step.rows for step in path), reverse=True)
    assert path[-1].right / path[-1].rows > path[0].right / path[0].rows + 0.3


def test_a_step_holds_what_it_says() -> None:
    right = RANDOM.random(2000) < SCORES[:, 0]
    for step in peel(SCORES, right):
        inside = step.box.holds(SCORES)
        assert (step.rows, step.right) == (inside.sum(), right[inside].sum())


def test_missing_scores_are_peeled_off_first_and_pass_where_nothing_is_asked() -> None:
    scores = SCORES.copy()
    scores[:100, 0] = np.nan
    box = peel(scores, np.arange(2000) >= 100)[1].box
    assert not box.holds(scores)[:100].any()
    assert Box(np.full(3, OPEN)).holds(scores).all()


def test_equal_scores_stay_together() -> None:
    scores = np.repeat([[0.0], [1.0]], 50, axis=0).astype(np.float32)
    path = peel(scores, np.arange(100) >= 50)
    assert [step.rows for step in path] == [100, 50]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_a_threshold_between_two_scores_tells_them_apart(low: float, gap: float) -> None:
    low, high = float(np.float32(low)), float(np.float32(low + gap))
    if high > low:
        assert np.float32(low) <= np.float32(between(low, high)) < np.float32(high)
