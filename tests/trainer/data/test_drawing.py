"""The draws of training: pure, in the shares asked for, and never a prompt that is no answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import UserError
from trainer.conditions import DropProbabilities
from trainer.data.drawing import Drawing, MixingConfig
from trainer.data.pools import Compatibility, Item, Pool

SHARES = {"real": 1.0, "remixed": 2.0, "synthetic": 4.0, "pseudo_labelled": 2.0, "absent": 1.0}
TEXTS = ["dog barking", "rain", "rain", "rain", "rain", "rain", "piano", "woman speaking"]


def pool(kind: str, texts: list[str], balance: float = 1.0) -> Pool:
    return Pool([Item(f"{kind}.tar", str(i), text, ()) for i, text in enumerate(texts)], balance)


def pools() -> dict[str, Pool]:
    return {kind: pool(kind, TEXTS) for kind in ("triplet", "pseudo_labelled", "recording")}


CONFIG = MixingConfig(SHARES, drop=DropProbabilities(text=0.3, spans=0.6))


@given(seed=st.integers(0, 2**40), positions=st.lists(st.integers(0, 2**50), min_size=1, max_size=8))
def test_a_draw_depends_on_seed_and_position_alone(seed, positions):
    forth = [Drawing(CONFIG, pools(), seed).draw(position) for position in positions]
    other = Drawing(CONFIG, pools(), seed)
    back = [other.draw(position) for position in reversed(positions)]
    assert forth == back[::-1]
    if len(set(positions)) > 1:
        assert len({draw.noise_seed for draw in forth}) > 1
    assert Drawing(CONFIG, pools(), seed + 1).draw(positions[0]) != forth[0]


@pytest.fixture(scope="module")
def draws() -> list:
    drawing = Drawing(CONFIG, pools(), seed=7)
    return [drawing.draw(position) for position in range(5_000)]


def test_strategies_come_in_their_shares(draws):
    counts = Counter(draw.strategy for draw in draws)
    for strategy, share in SHARES.items():
        assert counts[strategy] / len(draws) == pytest.approx(share / 10, abs=0.025)


def test_levels_lie_in_the_ranges_of_their_strategy(draws):
    for strategy in SHARES:
        snrs = [draw.snr_db for draw in draws if draw.strategy == strategy]
        if (widest := {"remixed": 5.0, "synthetic": 15.0}.get(strategy)) is None:
            assert set(snrs) == {None}
        else:
            assert max(map(abs, snrs)) <= widest
            expected = np.array([-0.8, 0, 0.8]) * widest
            np.testing.assert_allclose(np.quantile(snrs, [0.1, 0.5, 0.9]), expected, atol=0.15 * widest)
    assert all(-31 <= draw.level_dbfs <= -19 for draw in draws)


def test_the_prompt_names_the_target_and_none_of_the_others(draws):
    for draw in draws:
        assert draw.text not in {other.text for other in draw.others}
        if draw.strategy == "absent":
            assert draw.target is None
        else:
            assert draw.target.text == draw.text
        assert bool(draw.others) == (draw.strategy in ("synthetic", "absent"))


VIOLIN = Item("t.tar", "1", "violin playing", (), other_names=("strings playing", "music"))
CELLO = Item("t.tar", "2", "cello playing", (), other_names=("strings playing", "music"))
QUARTET = Item("t.tar", "3", "strings playing", (), parts=("cello playing", "music", "violin playing"))
DOG = Item("t.tar", "4", "dog barking", (), other_names=("animal sounds",))


def test_a_recording_is_asked_for_by_any_of_its_names_that_the_rest_does_not_have():
    drawing = Drawing(
        MixingConfig({"synthetic": 1.0}), {"recording": Pool([VIOLIN, CELLO, QUARTET, DOG])}, seed=0
    )
    drawn = Counter()
    for draw in map(drawing.draw, range(2_000)):
        assert draw.text in draw.target.names
        for other in draw.others:
            assert draw.text not in (*other.names, *other.parts)
        drawn[draw.target.key, draw.text] += 1
    assert all(drawn[item.key, name] > 100 for item in (VIOLIN, CELLO, DOG) for name in item.names)


def test_a_triplet_is_asked_for_by_names_that_only_its_target_has():
    violin = replace(VIOLIN, rest=("cello playing", "strings playing", "music"))
    drawing = Drawing(MixingConfig({"remixed": 1.0}), {"triplet": Pool([violin])}, seed=0)
    assert {drawing.draw(position).text for position in range(50)} == {"violin playing"}


def test_speeds_are_drawn_within_what_is_asked():
    drawing = Drawing(replace(CONFIG, shares={"synthetic": 1.0, "absent": 1.0}, speed=0.1), pools(), seed=0)
    drawn = [drawing.draw(position) for position in range(500)]
    assert all(len(draw.speeds) == 1 + len(draw.others) for draw in drawn)
    speeds = [speed for draw in drawn for speed in draw.speeds]
    assert min(speeds) == pytest.approx(0.9)
    assert max(speeds) == pytest.approx(1.1)
    assert np.mean(speeds) == pytest.approx(1, abs=0.01)


def test_colours_are_drawn_within_what_is_asked_and_change_nothing_else():
    shares = {"synthetic": 1.0, "absent": 1.0}
    plain, coloured = (
        Drawing(replace(CONFIG, shares=shares, colour_db=decibels), pools(), seed=0) for decibels in (0, 6)
    )
    for position in range(200):
        even, draw = plain.draw(position), coloured.draw(position)
        assert not np.any(even.colours)
        assert len(draw.colours) == 1 + len(draw.others)
        assert 0 < np.abs(draw.colours).max() <= 6
        assert replace(draw, colours=even.colours) == even


def test_texts_are_balanced_as_asked(draws):
    counts = Counter(draw.text for draw in draws)
    for text in set(TEXTS):
        assert counts[text] / len(draws) == pytest.approx(1 / 4, abs=0.03)
    as_they_are = pool("recording", TEXTS, balance=0.0)
    random = np.random.default_rng(0)
    drawn = Counter(as_they_are.draw(random).text for _ in range(4_000))
    assert drawn["rain"] / 4_000 == pytest.approx(5 / 8, abs=0.03)


def test_conditions_and_times_are_drawn_as_asked(draws):
    dropped = np.mean([draw.dropped for draw in draws], axis=0)
    np.testing.assert_allclose(dropped, [0, 0.3, 0.3, 0.6], atol=0.03)
    np.testing.assert_allclose(
        np.quantile([draw.time for draw in draws], [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.03
    )


def test_texts_that_conflict_are_never_mixed():
    conflicts = frozenset({frozenset({"dog barking", "rain"})})
    config = replace(CONFIG, shares={"synthetic": 1.0}, compatibility=Compatibility(conflicts))
    drawing = Drawing(config, pools(), seed=0)
    for position in range(500):
        draw = drawing.draw(position)
        for other in draw.others:
            assert {draw.text, other.text} != {"dog barking", "rain"}


def test_what_cannot_be_drawn_is_said_at_once():
    with pytest.raises(UserError, match="no shards of kind 'triplet'"):
        Drawing(MixingConfig({"real": 1.0}), {"recording": pool("recording", TEXTS)}, seed=0)
    with pytest.raises(UserError, match="no strategy has a share"):
        Drawing(MixingConfig({"real": 0.0}), pools(), seed=0)
    lonely = Drawing(
        MixingConfig({"synthetic": 1.0}), {"recording": pool("recording", ["Rain", "rain "])}, seed=0
    )
    with pytest.raises(UserError, match="nothing can be mixed with"):
        lonely.draw(0)
