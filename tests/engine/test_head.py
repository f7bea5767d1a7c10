"""The head of a cluster is lost: whatever the main thread is at, it ends, and a person learns why."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

from dataengine.engine import head
from dataengine.engine.head import watched_head
from dataengine.errors import HeadLostError

WORKING = """
import signal, socket, sys
from contextlib import suppress
from dataengine.engine import head
from dataengine.errors import HeadLostError

head.SECONDS_BETWEEN_LOOKS, head.SECONDS_UNTIL_LOST, head.SECONDS_TO_LEAVE = 0.05, 0.2, 0.3
listener = socket.create_server(("127.0.0.1", 0))
place = "127.0.0.1:%d" % listener.getsockname()[1]
with open(2, "w", buffering=1, closefd=False) as terminal, head.watched_head(place, terminal):
    listener.close()
    while True:
        with suppress(HeadLostError):
            signal.pause()
"""


@pytest.fixture
def quickly(monkeypatch):
    for name, seconds in (("SECONDS_BETWEEN_LOOKS", 0.05), ("SECONDS_UNTIL_LOST", 0.2)):
        monkeypatch.setattr(head, name, seconds)


def place_of(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.usefixtures("quickly")
def test_work_is_ended_once_the_head_does_not_answer():
    listener = socket.create_server(("127.0.0.1", 0))
    place = place_of(listener)
    listener.close()
    with pytest.raises(HeadLostError, match=f"{place}.* is lost"), watched_head(place, sys.stderr):
        threading.Event().wait(60)


@pytest.mark.usefixtures("quickly")
def test_a_head_that_answers_again_in_time_is_not_lost(monkeypatch):
    monkeypatch.setattr(head, "SECONDS_UNTIL_LOST", 60.0)
    listener = socket.create_server(("127.0.0.1", 0))
    place = place_of(listener)
    with watched_head(place, sys.stderr):
        listener.close()
        threading.Event().wait(0.3)
        with socket.create_server(("127.0.0.1", int(place.rpartition(":")[2]))) as again:
            again.settimeout(60)
            again.accept()[0].close()


def test_work_that_does_not_listen_is_ended_with_its_process():
    done = subprocess.run([sys.executable, "-c", WORKING], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("dataengine: the head of the Ray cluster (127.0.0.1:")
    assert done.stderr.endswith("the same command goes on with another cluster\n")
