"""The lease of a run directory: who works on it now.

Each driver of a run claims an epoch of its own by creating `lease/<epoch>.json`; of two that try at the
same moment one succeeds. The highest epoch is the run's driver, and renews its file while it works.
Safety does not rest on the lease, for commits are idempotent: it spares two drivers the same work, tells
a person who the other one is, and has a driver that was thought dead stop as soon as it wakes.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import threading
import time
from dataclasses import asdict, dataclass, replace
from types import TracebackType

from dataengine.engine.storage import Storage
from dataengine.errors import EngineError, UserError

LEASE_FOLDER = "lease"
SECONDS_BETWEEN_BEATS = 5.0
SECONDS_UNTIL_STALE = 60.0

_LEASE_NAME = re.compile(rf"{LEASE_FOLDER}/(\d+)\.json$")


class LeaseLostError(EngineError):
    """Another driver has taken the run over."""


@dataclass(frozen=True)
class Holder:
    """A driver that works, or worked, on the run."""

    host: str
    pid: int
    epoch: int
    """Counts the drivers a run has had."""
    beat: float
    """Unix time of its last sign of life."""
    released: bool = False
    """Whether it has said that it is done."""

    def is_alive(self) -> bool:
        """Whether this driver may still be at work: it gave a sign of life lately, and its process exists."""
        if self.released or time.time() - self.beat >= SECONDS_UNTIL_STALE:
            return False
        return self.host != socket.gethostname() or _process_exists(self.pid)


def holder_of(storage: Storage) -> Holder | None:
    """Who holds, or last held, the lease; None if nobody does."""
    names = [name for name in storage.files(LEASE_FOLDER) if _LEASE_NAME.search(name)]
    return Holder(**json.loads(storage.read(names[-1]))) if names else None


def reason_to_stop(storage: Storage, epoch: int) -> str | None:
    """Why the driver of this epoch and its workers should do no more; None if they may go on."""
    names = list(storage.files(LEASE_FOLDER))
    if _stop_file(epoch) in names:
        return "the run was asked to stop"
    epochs = [int(match[1]) for name in names if (match := _LEASE_NAME.search(name))]
    if max(epochs, default=epoch) > epoch:
        return f"driver {max(epochs)} has taken the run over from driver {epoch}"
    return None


def ask_to_stop(storage: Storage, epoch: int) -> None:
    """Have the workers of this epoch finish the slice they are at, and take no other."""
    storage.replace(_stop_file(epoch), b"")


class Lease:
    """Holds the run directory's lease while the block runs.

    Raises:
        UserError: another driver is at work on the run.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._stop = threading.Event()

    def __enter__(self) -> Lease:
        last = holder_of(self._storage)
        if last is not None and last.is_alive():
            raise _in_use(last, self._storage)
        epoch = last.epoch + 1 if last else 1
        self.holder = Holder(socket.gethostname(), os.getpid(), epoch, time.time())
        if not self._storage.create(_lease_file(epoch), _encoded(self.holder)):
            first = holder_of(self._storage)
            if first != self.holder:  # it is ours where the answer to our own write was lost
                raise _in_use(first or self.holder, self._storage)
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self._renew(released=True)
            self._storage.remove(_stop_file(self.holder.epoch))
        except OSError as trouble:  # whatever ends the block counts more, and the lease runs out by itself
            logging.getLogger(__name__).warning("the lease could not be released: %s", trouble)

    def check(self) -> None:
        """Raise LeaseLostError if another driver has taken the run over."""
        now = holder_of(self._storage)
        if now is not None and now.epoch > self.holder.epoch:
            raise LeaseLostError(
                f"process {now.pid} on {now.host} has taken over {self._storage.root}, because this one gave "
                f"no sign of life for {SECONDS_UNTIL_STALE:.0f} s; nothing is lost, and it goes on there"
            )

    def _beat(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_BEATS):
            try:
                self._renew()
            except OSError as trouble:  # the next beat may come through
                logging.getLogger(__name__).warning("the lease could not be renewed: %s", trouble)

    def _renew(self, *, released: bool = False) -> None:
        self.holder = replace(self.holder, beat=time.time(), released=released)
        self._storage.replace(_lease_file(self.holder.epoch), _encoded(self.holder))


def _lease_file(epoch: int) -> str:
    return f"{LEASE_FOLDER}/{epoch:05d}.json"


def _stop_file(epoch: int) -> str:
    return f"{LEASE_FOLDER}/{epoch:05d}.stop"


def _encoded(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def _in_use(holder: Holder, storage: Storage) -> UserError:
    return UserError(
        f"process {holder.pid} on {holder.host} is at work here; wait for it, stop it, or choose another directory",
        where=storage.root,
    )


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
