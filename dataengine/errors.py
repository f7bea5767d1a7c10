"""The one error that is the user's to mend."""

from __future__ import annotations


class UserError(Exception):
    """A mistake in what the user gave us: a file, a setting, an environment.

    The command line prints the message on one line and exits with code 2, without a traceback.
    A good message says what is wrong, where (`file:line` if there is one), and what to do.
    """

    def __init__(self, message: str, *, where: str | None = None) -> None:
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)
