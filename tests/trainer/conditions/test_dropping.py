"""Dropping conditions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trainer.conditions import Dropped, DropProbabilities
from trainer.conditions.spans import NULL, PADDING
from trainer.dit import DiT

NAMES = ("mixture", "text", "video", "spans")


def test_each_condition_goes_with_its_own_probability_whatever_becomes_of_the_others():
    probabilities = DropProbabilities(mixture=0.1, text=0.3, video=0.5, spans=0.7)
    random = np.random.default_rng(0)
    drawn = np.array([probabilities.draw(random) for _ in range(20_000)])
    np.testing.assert_allclose(drawn.mean(axis=0), [0.1, 0.3, 0.5, 0.7], atol=0.02)
    np.testing.assert_allclose(np.corrcoef(drawn.T), np.eye(4), atol=0.03)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_never_and_always(probability):
    always = DropProbabilities(*[probability] * 4)
    random = np.random.default_rng(0)
    assert all(always.draw(random) == (bool(probability),) * 4 for _ in range(100))


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_dropped_goes_and_only_where(random_conditions, name):
    conditions = random_conditions(3, 6, 4)
    draws = [tuple(each == name and row == 1 for each in NAMES) for row in range(3)]
    after = conditions.dropped(Dropped.stack(draws))
    for each in NAMES:
        same = torch.tensor([True, each != name, True])
        torch.testing.assert_close(getattr(after, each)[same], getattr(conditions, each)[same])
    gone = getattr(after, name)[1]
    assert (gone == (NULL if name == "spans" else 0)).all()
    assert after.text_mask[1].tolist() == [True, *[name != "text"] * 3]


def test_where_a_sample_has_ended_stays_known_when_spans_are_dropped(random_conditions):
    conditions = random_conditions(1, 6, 2)
    spans = torch.tensor([[1, 2, 1, 0, PADDING, PADDING]])
    after = replace(conditions, spans=spans).without_prompt()
    assert after.spans.tolist() == [[NULL] * 4 + [PADDING] * 2]


def test_a_prompt_that_is_dropped_is_a_prompt_that_was_not_given(random_conditions, small_config, stirred):
    dit = stirred(DiT(small_config, outputs=1))
    conditions, x, t = random_conditions(2, 6, 4), torch.randn(2, 6, 12), torch.tensor([0.2, 0.7])
    never_given = replace(
        conditions,
        text=torch.zeros(2, 1, small_config.text_width),
        text_mask=torch.ones(2, 1, dtype=torch.bool),
        spans=torch.zeros_like(conditions.spans),
        video=None,
    )
    torch.testing.assert_close(
        dit(x, t, conditions.without_prompt()).stems, dit(x, t, never_given).stems, atol=1e-5, rtol=1e-5
    )
