"""Rounds, one after the other, until there are as many as asked for; what is done is never done again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dataengine.engine.lease import Lease
from dataengine.loop.configuration import LoopConfig
from dataengine.loop.gate import Comparison
from dataengine.loop.promotion import Decision, decide
from dataengine.loop.state import LoopDirectory, LoopState
from dataengine.loop.steps import Steps

NOTHING_KEPT = Decision(
    promoted=False, reason="no candidate passed the filter: there is nothing new to train on"
)


class RoundSteps(Protocol):
    """What is done in the last round of a state. Each step may be called again after it was cut off, or done."""

    def label(self, state: LoopState) -> int:
        """Label and pack; returns how many samples came of it."""
        ...

    def train(self, state: LoopState) -> None:
        """Train a separator with them."""
        ...

    def evaluate(self, state: LoopState) -> Comparison:
        """Hold it against the promoted one."""
        ...


def run_loop(
    config: LoopConfig,
    *,
    address: str | None = None,
    on_change: Callable[[LoopState], None] = lambda state: None,
) -> LoopState:
    """Run a loop, or go on with it where it was stopped.

    All rounds work on the Ray cluster at `address` (or `RAY_ADDRESS`). Without one, each starts Ray here to label and
    ends it, so that training has the machine to itself. `on_change` is told the state whenever a step is done.

    Raises UserError before anything starts if something that the loop names is missing or wrong, if its directory holds
    another loop, or if another process works on it; else what the steps raise.
    """
    directory = LoopDirectory(Path(config.directory))
    steps = Steps(config, directory, address)
    steps.check()
    with Lease(directory.storage) as lease:
        state = directory.claimed(config.outcome())
        while not is_done(state, config.rounds):
            state = next_state(state, steps)
            lease.check()
            directory.save(state)
            on_change(state)
    return state


def is_done(state: LoopState, rounds: int) -> bool:
    """Whether a loop has so many rounds, and the last one is decided."""
    return len(state.rounds) >= rounds and not state.under_way


def next_state(state: LoopState, steps: RoundSteps) -> LoopState:
    """The state after one more step."""
    if not state.under_way:
        return state.begun()
    match state.rounds[-1].step:
        case "label":
            return state.advanced("train") if steps.label(state) else state.decided(NOTHING_KEPT)
        case "train":
            steps.train(state)
            return state.advanced("evaluate")
        case _:
            return state.decided(decide(steps.evaluate(state).difference))
