"""How work ends before its end: by a mistake of the user's, by a fault that is not, or because it was asked to."""

from __future__ import annotations


class UserError(Exception):
    """A mistake in what the user gave us: a file, a setting, an environment.

    The command line prints the message on one line and exits with code 2, without a traceback.
    A good message says what is wrong, where (`file:line` if there is one), and what to do.
    """

    def __init__(self, message: str, *, where: str | None = None) -> None:
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)


class EngineError(RuntimeError):
    """The engine cannot go on, through no fault of the rows."""


class HeadLostError(EngineError):
    """The process that a Ray cluster cannot be without is gone, and with it every answer that Ray waits for."""


class StoppedError(Exception):
    """The run was asked to stop, and did; the same command goes on with it."""
