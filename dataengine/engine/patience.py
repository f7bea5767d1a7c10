"""Waiting for storage that is in trouble, and saying so when waiting does not help."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from dataengine.engine.stage_call import is_transient

Result = TypeVar("Result")

SECONDS_BETWEEN_TRIES = (1.0, 60.0)
"""Before the second try, and at most, as each try doubles it."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def patiently(action: Callable[[], Result], minutes: float) -> Result:
    """Do something that may be done again, as often as storage in trouble makes it fail.

    Raises the OSError of the last try once so many minutes have passed, and at once if waiting does not help.
    """
    deadline, pause = time.monotonic() + minutes * 60, SECONDS_BETWEEN_TRIES[0]
    while True:
        try:
            return action()
        except OSError as error:
            if not is_transient(error) or error.errno in NO_SPACE or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, SECONDS_BETWEEN_TRIES[1])


def no_space_left(place: str) -> str:
    """One line for a disk that is full, or a quota that is used up."""
    return f"there is no space left for {place}; make some and run the same command again"


def trouble_in_words(error: OSError, place: str) -> str:
    """One line that says what is wrong with the storage at `place`, and what to do."""
    if error.errno in NO_SPACE:
        return no_space_left(place)
    reason = " ".join(str(error).split())
    return f"{place}: {reason}; run the same command again when this is mended"
