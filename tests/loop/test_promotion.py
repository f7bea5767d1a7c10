"""The rule of promotion, on intervals of any kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.evaluation.bootstrap import ClipBootstrap, Estimate
from dataengine.loop.promotion import ALL, MOST_LOST_DB, decide

BOUNDS = st.floats(min_value=-30, max_value=30) | st.sampled_from([0.0, -MOST_LOST_DB, math.nan])
CATEGORIES = ("instrument", "music", "sound", "speech")


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    low = draw(BOUNDS)
    return Estimate(low + 1, low, low + 2)


DIFFERENCES = st.fixed_dictionaries({ALL: estimates()}, optional={name: estimates() for name in CATEGORIES})


@given(DIFFERENCES)
def test_promoted_is_what_surely_gains_and_loses_nowhere_too_much(difference):
    """DESIGN: the lower bound of the gain is above 0, and no category's is under −0.5 dB."""
    gains = difference[ALL].low > 0
    loses = any(not each.low >= -0.5 for name, each in difference.items() if name != ALL)
    assert decide(difference).promoted == (gains and not loses)


@given(DIFFERENCES, st.sampled_from([ALL, *CATEGORIES]), st.floats(min_value=0, max_value=5))
def test_a_better_separator_is_not_kept_back_where_a_worse_one_was_promoted(difference, name, more):
    if decide(difference).promoted and name in difference:
        old = difference[name]
        better = Estimate(old.value + more, old.low + more, old.high + more)
        assert decide({**difference, name: better}).promoted


@pytest.mark.parametrize(
    ("difference", "promoted", "reason"),
    [
        ({ALL: Estimate(0.8, 0.31, 1.2), "speech": Estimate(-0.1, -0.5, 0.3)}, True, "+0.80 dB (+0.31 to"),
        ({ALL: Estimate(0.8, 0.0, 1.6)}, False, "not surely above 0"),
        (
            {
                ALL: Estimate(2.0, 1.5, 2.5),
                "music": Estimate(0.2, -0.51, 0.9),
                "speech": Estimate(-1.0, -2.0, 0.1),
            },
            False,
            "speech may lose more than 0.5 dB: −1.00 dB",
        ),
    ],
)
def test_the_reason_says_what_decided(difference, promoted, reason):
    decision = decide(difference)
    assert decision.promoted == promoted
    assert reason in decision.reason


@given(st.lists(st.floats(min_value=-5, max_value=0), min_size=1, max_size=30), st.integers(1, 5))
def test_what_gains_on_no_question_is_never_promoted(losses, clips):
    bootstrap = ClipBootstrap([(f"clip {row % clips}",) for row in range(len(losses))])
    assert not decide({ALL: bootstrap.summary(np.array(losses)).mean}).promoted
