import numpy as np
import pytest

from dataengine.evaluation.bootstrap import ClipBootstrap


def test_mean_and_median_of_what_is_known() -> None:
    found = ClipBootstrap([("a",), ("b",), ("c",), ("d",)]).summary(np.array([1.0, 2.0, 3.0, 10.0]))
    assert (found.mean.value, found.median.value) == (4.0, 2.5)
    assert (found.rows, found.clips) == (4, 4)
    assert found.mean.low < 4 < found.mean.high
    assert 1 <= found.median.low <= 2.5 <= found.median.high <= 10


def test_independent_rows_give_the_interval_of_the_textbook() -> None:
    """1.96 standard errors of the mean either way; of the median, that of a normal distribution times √(π/2)."""
    values = np.random.default_rng(1).normal(size=400)
    found = ClipBootstrap([(f"clip {i}",) for i in range(400)], draws=4000).summary(values)
    half = 1.96 * values.std() / 20
    assert found.mean.high - found.mean.low == pytest.approx(2 * half, rel=0.1)
    assert found.median.high - found.median.low == pytest.approx(2 * half * np.sqrt(np.pi / 2), rel=0.3)


def test_rows_that_repeat_each_other_say_no_more_than_one() -> None:
    values = np.random.default_rng(2).normal(size=40)
    once = ClipBootstrap([(f"clip {i}",) for i in range(40)]).summary(values)
    tenfold = ClipBootstrap([(f"clip {i // 10}",) for i in range(400)]).summary(np.repeat(values, 10))
    assert tenfold.mean.low == pytest.approx(once.mean.low)
    assert tenfold.mean.high == pytest.approx(once.mean.high)
    assert tenfold.clips == 40


def test_a_row_without_clips_stands_for_itself() -> None:
    values = np.array([0.0, 1.0, 2.0])
    with_names = ClipBootstrap([("x",), ("y",), ("z",)], draws=4000).summary(values)
    without = ClipBootstrap([(), (), ()], draws=4000).summary(values)
    assert without.mean.low == pytest.approx(with_names.mean.low, abs=0.1)
    assert without.clips == 3


def test_the_same_rows_give_the_same_interval_and_values_must_fit() -> None:
    bootstrap = ClipBootstrap([("a", "b"), ("b",), ("c",)])
    values = np.array([1.0, 5.0, 2.0])
    assert bootstrap.summary(values) == ClipBootstrap([("b", "a"), ("b",), ("c",)]).summary(values)
    with pytest.raises(ValueError, match="values for 3 rows"):
        bootstrap.summary(values[:2])


def covered(rows: int, clips: int, correlation: float, simulations: int) -> tuple[float, float, float]:
    """How often the intervals of mean and median hold 0, and how often that of independent rows does.

    Each row has two clips, whose effects make up the share `correlation` of its variance.
    """
    random = np.random.default_rng(0)
    mean = median = independent = 0
    for _ in range(simulations):
        effects = random.normal(size=(2, clips))
        chosen = random.integers(clips, size=(2, rows))
        shared = effects[0, chosen[0]] + effects[1, chosen[1]]
        values = np.sqrt(correlation / 2) * shared + np.sqrt(1 - correlation) * random.normal(size=rows)
        names = [(f"voice {one}", f"sound {other}") for one, other in chosen.T]
        found = ClipBootstrap(names, draws=300).summary(values)
        mean += found.mean.low <= 0 <= found.mean.high
        median += found.median.low <= 0 <= found.median.high
        independent += abs(values.mean()) <= 1.96 * values.std() / np.sqrt(rows)
    return mean / simulations, median / simulations, independent / simulations


def test_intervals_hold_the_truth_at_least_as_often_as_they_say() -> None:
    mean, median, independent = covered(rows=400, clips=40, correlation=0.3, simulations=150)
    assert mean >= 0.92
    assert median >= 0.92
    assert independent < 0.8
