"""The state machine: any outcome of its steps, cut off anywhere, comes to what it comes to undisturbed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine.errors import UserError
from dataengine.evaluation.bootstrap import Estimate
from dataengine.loop.gate import Comparison
from dataengine.loop.promotion import ALL, Decision
from dataengine.loop.running import is_done, next_state
from dataengine.loop.state import INITIAL, LoopDirectory, LoopState

PROMOTED, KEPT_BACK = Decision(promoted=True, reason="better"), Decision(promoted=False, reason="worse")


class Killed(BaseException):
    """What nobody catches."""


@dataclass
class Outcomes:
    """Steps that come to what was drawn for each round; some calls are cut off, before or after their work."""

    packed: dict[int, int]
    lows: list[float]
    cut_off: frozenset[int] = frozenset()
    calls: int = 0
    trained: list[tuple[int, int]] = field(default_factory=list)
    """Round, and the separator that labelled in it, of each training that came to an end."""

    def _call(self) -> None:
        self.calls += 1
        if self.calls in self.cut_off:
            raise Killed

    def label(self, state: LoopState) -> int:
        self._call()
        return self.packed[state.rounds[-1].labelled_by]

    def train(self, state: LoopState) -> None:
        self._call()
        self.trained.append((state.rounds[-1].number, state.rounds[-1].labelled_by))

    def evaluate(self, state: LoopState) -> Comparison:
        self._call()
        low = self.lows[state.rounds[-1].number - 1]
        difference = {ALL: Estimate(low + 0.5, low, low + 1)}
        return Comparison(questions=1, clips=1, old=difference, new=difference, difference=difference)


def run(
    directory: LoopDirectory, steps: Outcomes, rounds: int, *, lost: frozenset[int] = frozenset()
) -> LoopState:
    """All rounds, begun anew after each kill; the states whose numbers are in `lost` are not saved, once."""
    saves = 0
    while True:
        try:
            state = directory.claimed("{}")
            while not is_done(state, rounds):
                state = next_state(state, steps)
                saves += 1
                if saves in lost:
                    raise Killed
                directory.save(state)
            return state
        except Killed:
            continue


@settings(max_examples=50)
@given(
    rounds=st.integers(1, 5),
    data=st.data(),
    cut_off=st.frozensets(st.integers(1, 15), max_size=6),
    lost=st.frozensets(st.integers(1, 20), max_size=6),
)
def test_a_loop_that_is_killed_decides_as_one_that_is_not(rounds, data, cut_off, lost):
    packed = data.draw(st.fixed_dictionaries({each: st.integers(0, 3) for each in range(rounds + 1)}))
    lows = data.draw(st.lists(st.floats(-1, 1), min_size=rounds, max_size=rounds))
    with TemporaryDirectory() as folder:
        undisturbed = run(LoopDirectory(Path(folder, "one")), Outcomes(packed, lows), rounds)
        killed = run(LoopDirectory(Path(folder, "other")), Outcomes(packed, lows, cut_off), rounds, lost=lost)
        assert killed == undisturbed == LoopDirectory(Path(folder, "other")).state()
    assert len(undisturbed.rounds) == rounds


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-1, 1)), min_size=1, max_size=6))
def test_each_round_is_labelled_by_the_last_one_that_was_promoted(outcomes):
    packed = {number + 1: count for number, (count, _) in enumerate(outcomes)} | {INITIAL: 1}
    with TemporaryDirectory() as folder:
        state = run(
            LoopDirectory(Path(folder)), Outcomes(packed, [low for _, low in outcomes]), len(outcomes)
        )
    best = INITIAL
    for each, (_, low) in zip(state.rounds, outcomes, strict=True):
        assert each.labelled_by == best
        assert each.decision is not None
        assert each.decision.promoted == (packed[best] > 0 and low > 0)
        best = each.number if each.decision.promoted else best
    assert state.promoted == best


def decided(*decisions: Decision) -> LoopState:
    state = LoopState(settings="{}")
    for decision in decisions:
        state = state.begun().decided(decision)
    return state


def test_after_a_rollback_rounds_begin_with_the_earlier_separator():
    state = decided(PROMOTED, PROMOTED).rolled_back(1)
    assert state.promoted == 1
    assert [(each.after, each.to) for each in state.rollbacks] == [(2, 1)]
    assert state.begun().rounds[-1].labelled_by == 1
    assert state.begun().round_with_labels_of(1) == 2
    assert state.rolled_back(INITIAL).begun().rounds[-1].labelled_by == INITIAL


@pytest.mark.parametrize(
    ("state", "to", "message"),
    [
        (decided(PROMOTED), 2, "there is no round 2; there are 1"),
        (decided(PROMOTED, KEPT_BACK), 2, "round 2 was not promoted: worse"),
        (decided(PROMOTED).begun(), 1, "round 2 is under way"),
    ],
)
def test_a_rollback_that_cannot_be_says_why(state, to, message):
    with pytest.raises(UserError, match=message):
        state.rolled_back(to)


def test_a_directory_goes_on_with_the_loop_it_holds_and_with_no_other(tmp_path):
    directory = LoopDirectory(tmp_path)
    with pytest.raises(UserError, match="no loop"):
        directory.state()
    assert directory.claimed("{}") == LoopState(settings="{}")
    with pytest.raises(UserError, match="a loop with other settings"):
        directory.claimed('{"rounds": 3}')
    (tmp_path / "loop.json").write_text('{"rounds": "many"}')
    with pytest.raises(UserError, match="no state of a loop"):
        directory.state()
