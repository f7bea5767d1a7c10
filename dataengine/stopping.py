"""Stopping what the main thread does: when it is asked to (SIGTERM), when time is up, when another thread says so."""

from __future__ import annotations

import os
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
    with _on(signal.SIGTERM, action):
        yield


@contextmanager
def raising_after(error: type[Exception]) -> Iterator[Callable[[float], None]]:
    """Yields a function that, called with a number of seconds, has `error` raised after them in the block."""

    def stop() -> None:
        raise error

    with _on(signal.SIGALRM, stop) as heard:

        def arm(seconds: float) -> None:
            if heard:
                signal.setitimer(signal.ITIMER_REAL, seconds)

        try:
            yield arm
        finally:
            arm(0)


@contextmanager
def raising_when_told(error: Exception) -> Iterator[Callable[[], None]]:
    """Yields a function with which another thread has `error` raised in the block."""

    def stop() -> None:
        raise error

    with _on(signal.SIGUSR2, stop) as heard:

        def tell() -> None:
            if heard:
                os.kill(os.getpid(), signal.SIGUSR2)

        yield tell


@contextmanager
def _on(number: signal.Signals, action: Callable[[], None]) -> Iterator[bool]:
    """Call `action` when the signal comes while the block runs; yields whether it will: only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield False
        return

    def handle(*_: Any) -> None:
        action()

    before = signal.signal(number, handle)
    try:
        yield True
    finally:
        signal.signal(number, before)
