"""What each step of training came to, as lines in a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class StepReport:
    """What a step came to."""

    step: int
    loss: float
    """Of flow matching."""
    auxiliary: float
    gradient_norm: float
    learning_rate_factor: float
    skipped: str | None
    seconds: float = 0.0
    """Wall time."""
    waited: float = 0.0
    """Seconds of it spent waiting for data."""


class StepLog:
    """A JSON line a step. What lies behind the checkpoint that a run goes on from is written again."""

    def __init__(self, path: Path, first: int) -> None:
        """`first` is the step that comes next."""
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if _step_of(line) < first]
        path.write_text("".join(f"{line}\n" for line in kept))
        self._file = path.open("a", buffering=1)

    def write(self, report: StepReport) -> None:
        """Add a step."""
        self._file.write(json.dumps(asdict(report)) + "\n")


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # cut off in the middle
        return float("inf")
