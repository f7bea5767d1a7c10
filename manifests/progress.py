"""A progress bar on a terminal; a quiet line now and then elsewhere."""

from __future__ import annotations

from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

QUIET_SECONDS = 10.0
"""How often a line is printed where nobody watches."""


class Progress:
    """How far a piece of work is: amount, rate and time left.

    Use as a context manager and call `update` with the amount done so far. `unit` names what is counted;
    `scale` turns the amount into that unit (1e-6 for bytes shown as MB). What was `done_before` does not count
    towards the rate.
    """

    def __init__(
        self,
        title: str,
        *,
        total: float,
        unit: str,
        scale: float = 1.0,
        done_before: float = 0.0,
        console: Console | None = None,
    ) -> None:
        """Shown on the console, by default on standard error."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = console or Console(stderr=True)
        self._done_before = done_before
        self._title, self._total, self._unit, self._scale = title, total, unit, scale
        self._started = self._printed = monotonic()
        self._figures = ""
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, completed=int(done_before), figures="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if error is None and not self._console.is_terminal:
            self._print()

    def update(self, done: float, remark: str = "") -> None:
        """Say how much is done, and perhaps a word on it."""
        now = monotonic()
        rate = (done - self._done_before) * self._scale / max(now - self._started, 1e-3)
        amount = f"{done * self._scale:.0f}/{self._total * self._scale:.0f} {self._unit}"
        self._figures = f"{amount}, {rate:.1f} {self._unit}/s" + (f", {remark}" if remark else "")
        self._bar.update(self._task, completed=done, figures=self._figures)
        if not self._console.is_terminal and now - self._printed > QUIET_SECONDS:
            self._printed = now
            self._print()

    def _print(self) -> None:
        self._console.print(f"{self._title}: {self._figures}", soft_wrap=True, highlight=False)
