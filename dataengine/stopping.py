"""Stopping when the operating system or a cluster's scheduler asks for it (SIGTERM)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dataengine.errors import StoppedError


def stop_at_once() -> None:
    """What to do on SIGTERM where nothing is under way that is worth ending."""
    raise StoppedError


@contextmanager
def on_sigterm(action: Callable[[], None]) -> Iterator[None]:
    """Call `action` when SIGTERM comes while the block runs; it may raise.

    Nothing changes outside the main thread, where Python hears no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(*_: Any) -> None:
        action()

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def raising_after(error: type[Exception]) -> Iterator[Callable[[float], None]]:
    """Yields a function that, called with a number of seconds, has `error` raised after them in the block."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda seconds: None
        return

    def handle(*_: Any) -> None:
        raise error

    def arm(seconds: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.signal(signal.SIGALRM, handle)
    try:
        yield arm
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
