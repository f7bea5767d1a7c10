"""Who wins more often."""

from __future__ import annotations

import numpy as np
import pytest

from dataengine.evaluation.benchmark.win_rate import net_win_rate

CLIPS = [(f"clip {number % 12}",) for number in range(60)]
DIFFERENCES = np.random.default_rng(0).normal(0.4, 1.0, 60)


def test_nobody_wins_over_itself() -> None:
    found = net_win_rate([0.0] * 60, CLIPS, tie=0.1)
    assert (found.wins, found.losses, found.ties) == (0, 0, 60)
    assert found.rate.value == 0
    assert found.rate.low <= 0 <= found.rate.high


def test_the_other_way_round_the_sign_is_the_other() -> None:
    one, other = (net_win_rate(sign * DIFFERENCES, CLIPS, tie=0.1) for sign in (1, -1))
    assert one.rate.value > 0
    assert (one.wins, one.losses, one.ties) == (other.losses, other.wins, other.ties)
    assert other.rate.value == -one.rate.value
    assert (other.rate.low, other.rate.high) == pytest.approx((-one.rate.high, -one.rate.low))


def test_it_is_the_share_won_less_the_share_lost() -> None:
    found = net_win_rate([1.0, 2.0, 0.1, -3.0], [(str(number),) for number in range(4)], tie=0.1)
    assert (found.wins, found.losses, found.ties, found.clips) == (2, 1, 1, 4)
    assert found.rate.value == pytest.approx(0.25)
    assert found.rate.low < 0 < found.rate.high


def test_clips_and_not_questions_make_an_interval_narrow() -> None:
    won = [1.0, -1.0] * 30
    few = net_win_rate(won, [(f"clip {number // 30}",) for number in range(60)][::-1], tie=0.0)
    many = net_win_rate(won, [(f"clip {number}",) for number in range(60)], tie=0.0)
    assert few.clips == 2
    assert many.rate.high - many.rate.low < 0.6
