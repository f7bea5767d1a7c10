"""The lease of a run directory: who works on it now.

Safety does not rest on it: commits are idempotent. It spares two drivers the same work, and tells a
person who the other one is.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from types import TracebackType

from dataengine.engine.storage import Storage
from dataengine.errors import UserError

LEASE_FILE = "lease.json"
SECONDS_BETWEEN_BEATS = 5.0
SECONDS_UNTIL_STALE = 60.0


@dataclass(frozen=True)
class Holder:
    """A driver that works, or worked, on the run."""

    host: str
    pid: int
    epoch: int
    """Counts the drivers a run has had."""
    beat: float
    """Unix time of its last sign of life."""

    def is_alive(self) -> bool:
        """Whether this driver may still be at work: judged by its process here, by its beat elsewhere."""
        if self.host == socket.gethostname():
            return _process_exists(self.pid)
        return time.time() - self.beat < SECONDS_UNTIL_STALE


def holder_of(storage: Storage) -> Holder | None:
    """Who holds, or last held, the lease; None if nobody does."""
    try:
        return Holder(**json.loads(storage.read(LEASE_FILE)))
    except FileNotFoundError:
        return None


class Lease:
    """Holds the run directory's lease while the block runs.

    Raises:
        UserError: another driver is at work on the run.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._stop = threading.Event()

    def __enter__(self) -> Holder:
        last = holder_of(self._storage)
        if last is not None and last.is_alive():
            raise UserError(
                f"process {last.pid} on {last.host} is at work on this run; wait for it, stop it, or choose "
                "another --run-dir",
                where=self._storage.root,
            )
        self._me = Holder(socket.gethostname(), os.getpid(), last.epoch + 1 if last else 1, time.time())
        self._write()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self._me

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        # Kept, with a process number of nobody, so that the next driver's epoch is higher.
        self._me = Holder(self._me.host, 0, self._me.epoch, time.time())
        self._write()

    def _write(self) -> None:
        self._storage.replace(LEASE_FILE, json.dumps(asdict(self._me)).encode())

    def _beat(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_BEATS):
            self._me = Holder(self._me.host, self._me.pid, self._me.epoch, time.time())
            self._write()


def _process_exists(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
