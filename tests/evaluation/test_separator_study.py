"""What a study of a separator concludes from its figures."""

from __future__ import annotations

from dataengine.evaluation.bootstrap import Estimate, Summary
from dataengine.evaluation.separator_study import Gains, goals, knee


def gains(target: float, residual: float) -> Gains:
    def summary(value: float) -> Summary:
        estimate = Estimate(value, value - 1, value + 1)
        return Summary(rows=10, clips=10, mean=estimate, median=estimate)

    return Gains(summary(target), summary(residual))


def test_the_knee_is_the_fewest_steps_that_are_as_good_as_the_best():
    assert knee({1: gains(3.0, 3.0), 2: gains(4.95, 4.95), 4: gains(5.0, 5.0), 8: gains(4.0, 4.0)}) == 2
    assert knee({1: gains(5.0, 4.9), 16: gains(5.0, 5.0)}) == 1
    assert knee({1: gains(4.0, 4.0), 16: gains(9.0, 9.0)}) == 16


def test_what_was_not_looked_at_is_no_goal():
    assert goals(None, None, None) == {}
