"""When a driver worked on a run, and what it got done: `log/drivers/`, a file a driver."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import TracebackType

from dataengine.engine.lease import Holder
from dataengine.engine.messages import SliceReport
from dataengine.engine.parts import Counts
from dataengine.engine.storage import Storage

DRIVERS_FOLDER = "log/drivers"
SECONDS_BETWEEN_WRITES = 5.0

LOG = logging.getLogger(__name__)


class DriverLog:
    """This driver's file, written when its work begins and again as reports come in.

    So the time of a driver that was killed counts too, up to a few seconds before its end.
    """

    def __init__(self, storage: Storage, holder: Holder, workers: int) -> None:
        self._storage, self._holder, self._workers = storage, holder, workers
        self._counts, self._postponed = Counts(), 0

    def __enter__(self) -> DriverLog:
        self._started = time.time()
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def add(self, report: SliceReport) -> None:
        """Count a slice that is committed or postponed."""
        if report.counts is None:
            self._postponed += 1
        else:
            self._counts += report.counts
        if time.time() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        self._written = time.time()
        log = {
            **asdict(self._holder),
            "workers": self._workers,
            "started": self._started,
            "ended": self._written,
            "seconds": self._written - self._started,
            "postponed": self._postponed,
            "counts": asdict(self._counts),
        }
        name = f"{DRIVERS_FOLDER}/{self._holder.epoch:05d}.json"
        try:
            self._storage.replace(name, json.dumps(log, indent=2).encode())
        except OSError as error:
            LOG.warning("%s cannot be written now: %s", name, error)


@dataclass(frozen=True)
class DriverTime:
    """How long one driver of a run worked on it, with how many workers."""

    started: float
    """Unix time."""
    ended: float
    """Unix time; of its last sign of life, if it was killed."""
    workers: int
    counts: Counts

    @property
    def seconds(self) -> float:
        """Between the two."""
        return self.ended - self.started


def driver_times(storage: Storage) -> Iterator[DriverTime]:
    """All drivers that a run has had, in order."""
    for name in storage.files(DRIVERS_FOLDER, ".json"):
        log = json.loads(storage.read(name))
        yield DriverTime(log["started"], log["ended"], log.get("workers", 1), Counts(**log.get("counts", {})))
