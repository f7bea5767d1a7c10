"""Which times training looks at."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.flow.times import TimeSampling

UNIFORM = torch.linspace(0, 1, 10_001)


@given(
    mean=st.floats(-2, 2),
    deviation=st.floats(0.1, 2),
    distribution=st.sampled_from(["uniform", "logit_normal"]),
)
def test_times_lie_between_0_and_1_and_keep_the_order_of_the_draws(mean, deviation, distribution):
    times = TimeSampling(distribution, mean, deviation).times(UNIFORM)
    assert ((times >= 0) & (times <= 1)).all()
    assert (times.diff() >= 0).all()


def test_logit_normal_times_have_normal_logits():
    times = TimeSampling("logit_normal", mean=0.5, deviation=1.5).times(torch.rand(50_000))
    logits = torch.logit(times)
    assert float(logits.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(logits.std()) == pytest.approx(1.5, abs=0.03)
    # 68.27 % of a normal distribution lie within one standard deviation
    assert float(((logits - 0.5).abs() < 1.5).float().mean()) == pytest.approx(0.6827, abs=0.01)


def test_uniform_times_are_the_draws():
    torch.testing.assert_close(TimeSampling().times(UNIFORM), UNIFORM)
