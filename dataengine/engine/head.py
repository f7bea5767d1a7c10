"""Watching the head of a Ray cluster: whoever works on the cluster learns that it is lost, and why the work ends."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO
from urllib.parse import urlsplit

from dataengine.errors import HeadLostError
from dataengine.stopping import raising_when_told

SECONDS_TO_CONNECT = 10.0
SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_UNTIL_LOST = 40.0
"""So long may the head of a cluster not answer, for it may be started anew."""
SECONDS_TO_LEAVE = 10.0
"""So long may the main thread take to end what it does; it may be waiting for an answer from the head."""
SECONDS_OF_RAY = 180
"""After so long without its head Ray ends the process without a word, and its calls wait until then."""
SHOW_CURSOR = "\x1b[?25h"


def connect(place: str) -> None:
    """Raise OSError if nobody listens at `HOST:PORT`."""
    parts = urlsplit(f"//{place}")
    socket.create_connection((parts.hostname or "", parts.port or 0), SECONDS_TO_CONNECT).close()


def leave_time_to_speak() -> None:
    """Have Ray, which must not have been imported yet, wait for a lost head until we have said that it is lost."""
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(SECONDS_OF_RAY))


@contextmanager
def watched_head(place: str, terminal: TextIO) -> Iterator[None]:
    """Have HeadLostError raised in the block once nobody listens any more at `place`, the cluster's `HOST:PORT`.

    If that does not end the block, the process ends, with exit code 1; the reason goes to `terminal` then.
    """
    over = threading.Event()
    lost = HeadLostError(
        f"the head of the Ray cluster ({place}) is lost, it has not answered for {SECONDS_UNTIL_LOST:.0f} s; what is "
        "done is kept, and the same command goes on with another cluster"
    )

    def watch() -> None:
        if _until_lost(place, over):
            tell()
            if not over.wait(SECONDS_TO_LEAVE):
                _end_process(lost, terminal)

    with raising_when_told(lost) as tell:
        watching = threading.Thread(target=watch, name="head", daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()  # told after the block, nobody would catch the error


def _until_lost(place: str, over: threading.Event) -> bool:
    """Wait until the head is lost, or until the work is over: then False."""
    answered = time.monotonic()
    while not over.wait(SECONDS_BETWEEN_LOOKS):
        try:
            connect(place)
        except OSError:
            if time.monotonic() - answered >= SECONDS_UNTIL_LOST:
                return True
        else:
            answered = time.monotonic()
    return False


def _end_process(lost: HeadLostError, terminal: TextIO) -> None:
    if terminal.isatty():
        terminal.write(SHOW_CURSOR)  # a progress bar hides it
    terminal.write(f"dataengine: {lost}\n")
    terminal.flush()
    os._exit(1)
