"""What a loop knows of itself, on disk.

loop.json                    the rounds so far, and which separator is promoted; replaced whole at every change
rounds/0001/profile.yaml     the profile that labels: the promoted separator in its role
rounds/0001/calibration/     a run over scenes whose sources are known, where thresholds are chosen for each separator
rounds/0001/filters.yaml     the thresholds that were chosen on it
rounds/0001/label/           a run directory; it has none where an earlier round has the labels of the same separator
rounds/0001/train/           a training run
rounds/0001/evaluation.json  old and new separator on the gate set
answers/                     what separators' answers to the gate set's questions are worth
examples/                    some of these answers, to listen to
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.loop.promotion import Decision

STATE_FILE = "loop.json"
ANSWERS_FOLDER = "answers"
EVALUATION_FILE = "evaluation.json"
LABEL_FOLDER = "label"
TRAIN_FOLDER = "train"
INITIAL = 0
"""Number of the separator that the loop began with, where those of rounds stand."""

Step: TypeAlias = Literal["label", "train", "evaluate", "decided"]


class RoundState(BaseModel):
    """How far a round is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    """1, 2, …"""
    labelled_by: int
    """The round whose separator labels in this one, and is to be beaten; `INITIAL`: the first one."""
    step: Step = "label"
    """What is to be done next."""
    decision: Decision | None = None


class Rollback(BaseModel):
    """An earlier separator was put back by hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int
    """Rounds there were."""
    to: int


class LoopState(BaseModel):
    """The whole of `loop.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: str
    """What decides the outcome of rounds, JSON; a loop goes on only with the same."""
    rounds: tuple[RoundState, ...] = ()
    promoted: int = INITIAL
    rollbacks: tuple[Rollback, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether the last round is not decided yet."""
        return bool(self.rounds) and self.rounds[-1].step != "decided"

    def round_with_labels_of(self, separator: int) -> int:
        """The first round that this separator labelled in: its labels are the same every time."""
        return next(each.number for each in self.rounds if each.labelled_by == separator)

    def begun(self) -> LoopState:
        """With a further round, labelled by the promoted separator."""
        return self._with(RoundState(number=len(self.rounds) + 1, labelled_by=self.promoted))

    def advanced(self, step: Step) -> LoopState:
        """With the last round at another step."""
        return self._with(self.rounds[-1].model_copy(update={"step": step}))

    def decided(self, decision: Decision) -> LoopState:
        """With the last round ended, and its separator promoted if that was decided."""
        last = self.rounds[-1].model_copy(update={"step": "decided", "decision": decision})
        state = self._with(last)
        return state.model_copy(update={"promoted": last.number}) if decision.promoted else state

    def rolled_back(self, to: int) -> LoopState:
        """With the separator of an earlier round promoted again.

        Raises UserError if there is no such round, if it was kept back, or while a round is under way.
        """
        if self.under_way:
            raise UserError(f"round {self.rounds[-1].number} is under way; let the loop finish it first")
        if to != INITIAL:
            decision = self.rounds[to - 1].decision if 1 <= to <= len(self.rounds) else None
            if decision is None:
                raise UserError(f"there is no round {to}; there are {len(self.rounds)}, and 0 is the start")
            if not decision.promoted:
                raise UserError(f"round {to} was not promoted: {decision.reason}")
        event = Rollback(after=len(self.rounds), to=to)
        return self.model_copy(update={"promoted": to, "rollbacks": (*self.rollbacks, event)})

    def _with(self, changed: RoundState) -> LoopState:
        return self.model_copy(update={"rounds": (*self.rounds[: changed.number - 1], changed)})


def separator_name(number: int) -> str:
    """What people call the separator with a number."""
    return "the first separator" if number == INITIAL else f"round {number}"


class LoopDirectory:
    """A loop's directory: always local, for training writes there."""

    def __init__(self, place: Path) -> None:
        """Raises UserError if it cannot be a directory."""
        self.storage = Storage.at(place)
        self.path = Path(self.storage.root)

    def state(self) -> LoopState:
        """Raises UserError if there is no loop, or if its state cannot be understood."""
        if not self.storage.exists(STATE_FILE):
            raise UserError(f"no loop: it has no {STATE_FILE}", where=str(self.path))
        try:
            return LoopState.model_validate_json(self.storage.read(STATE_FILE))
        except ValidationError as error:
            raise UserError(
                "this is no state of a loop, or one of another version", where=str(self.path / STATE_FILE)
            ) from error

    def claimed(self, settings: str) -> LoopState:
        """The state, begun if there is none. Raises UserError if the loop was begun with other settings."""
        if not self.storage.exists(STATE_FILE):
            self.save(LoopState(settings=settings))
        state = self.state()
        if state.settings != settings:
            raise UserError(
                "this directory holds a loop with other settings; choose another `directory`, or take the change "
                "back (only `rounds` may change)",
                where=str(self.path),
            )
        return state

    def save(self, state: LoopState) -> None:
        """Replace the state, whole or not at all."""
        self.storage.replace(STATE_FILE, state.model_dump_json(indent=2).encode())

    def round(self, number: int) -> Path:
        """Where a round lies."""
        return self.path / "rounds" / f"{number:04d}"

    def name(self, number: int, file: str) -> str:
        """A file of a round, as `storage` wants it."""
        return f"rounds/{number:04d}/{file}"
