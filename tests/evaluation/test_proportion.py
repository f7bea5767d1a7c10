import numpy as np
import pytest

from dataengine.evaluation.proportion import Clusters, share, wilson_interval


def test_wilson_against_published_figures() -> None:
    """Newcombe (Statistics in Medicine 17, 1998), table I: 81 of 263, and 15 of 148."""
    assert wilson_interval(81 / 263, 263, 0.95) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(15 / 148, 148, 0.95) == pytest.approx((0.0624, 0.1605), abs=1e-4)


def test_rows_without_common_clips_count_in_full() -> None:
    right = np.arange(100) < 90
    found = share(right, Clusters([(f"clip {i}",) for i in range(100)]))
    assert (found.value, found.count, found.effective) == pytest.approx((0.9, 100, 100))
    assert (found.low, found.high) == wilson_interval(0.9, 100, 0.95)


def test_rows_that_repeat_each_other_count_once() -> None:
    """Each clip in ten rows that agree: ten times fewer independent rows."""
    right = np.repeat(np.arange(50) < 40, 10)
    found = share(right, Clusters([(f"clip {i // 10}",) for i in range(500)]))
    assert found.effective == pytest.approx(50)


def test_sharing_one_of_several_clips_is_enough() -> None:
    right = np.array([True, True, False, False] * 25)
    apart = Clusters([(f"voice {i}", f"sound {i}") for i in range(100)])
    tied = Clusters([(f"voice {i}", f"sound {i % 2}") for i in range(100)])
    crossed = Clusters([(f"voice {i}", f"sound {i // 2 % 2}") for i in range(100)])
    assert share(right, tied).effective == pytest.approx(
        share(right, apart).effective
    )  # each clip half right
    assert share(right, crossed).effective == pytest.approx(2)  # each clip all right or all wrong


def test_weights_and_empty_choices() -> None:
    right, clusters = np.array([True, False, True]), Clusters([("a",), ("b",), ("c",)])
    assert share(right, clusters, among=np.array([1.0, 0.5, 0.5])).value == pytest.approx(0.75)
    nothing = share(right, clusters, among=np.zeros(3))
    assert np.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


def covered(rows: int, clips: int, precision: float, correlation: float, draws: int) -> tuple[float, float]:
    """How often the interval holds the truth: clustered as it should be, and as if rows were independent.

    Each row has two clips, each clip its own precision (beta-distributed, intra-clip correlation as given),
    and a row follows either of its clips.
    """
    random = np.random.default_rng(0)
    a = precision * (1 / correlation - 1)
    b = (1 - precision) * (1 / correlation - 1)
    clustered = independent = 0
    for _ in range(draws):
        of_clip = random.beta(a, b, (2, clips))
        chosen = random.integers(clips, size=(2, rows))
        follows = random.integers(2, size=rows)
        right = random.random(rows) < of_clip[follows, chosen[follows, np.arange(rows)]]
        names = [(f"voice {one}", f"sound {other}") for one, other in chosen.T]
        found = share(right, Clusters(names))
        low, high = wilson_interval(float(right.mean()), rows, 0.95)
        clustered += found.low <= precision <= found.high
        independent += low <= precision <= high
    return clustered / draws, independent / draws


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    clustered, independent = covered(rows=300, clips=40, precision=0.85, correlation=0.4, draws=300)
    assert 0.90 <= clustered <= 0.99
    assert independent < 0.87
