"""What happened in a run, as JSON lines: `log/events/<epoch>-<piece>.jsonl`.

A line is an event with its time, so that `grep` and `jq` find a slice, a unit or a kind of error. The driver
writes them: one a slice, one a failed row, none for a unit that went well. On a local disk an event is in
the file as soon as it happened; on an object store, where nothing can be appended to, events are gathered
and written in pieces.
"""

from __future__ import annotations

import json
import logging
import os
import time
from datetime import UTC, datetime
from io import TextIOWrapper
from types import TracebackType
from typing import Any

from dataengine.engine.messages import SliceReport
from dataengine.engine.storage import Storage

EVENTS_FOLDER = "log/events"
PIECE_CHARACTERS = 4_000_000
SECONDS_A_PIECE = 60.0
"""On an object store, how long events wait at most, while others come, before they are written."""

LOG = logging.getLogger(__name__)


def first_events(epoch: int) -> str:
    """Name of the file whose first line says when a driver had its plan: `run_started`."""
    return _piece(epoch, 0)


def _piece(epoch: int, number: int) -> str:
    return f"{EVENTS_FOLDER}/{epoch:05d}-{number:06d}.jsonl"


class EventLog:
    """The events of one driver, while the block runs."""

    def __init__(self, storage: Storage, epoch: int) -> None:
        self._storage, self._epoch = storage, epoch
        self._file: TextIOWrapper | None = None
        self._pending: list[str] = []
        self._characters = 0
        self._piece = 0
        self._written = time.monotonic()

    def __enter__(self) -> EventLog:
        if self._storage.is_local:
            path = self._storage.path(self._name())
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._file = open(path, "a", encoding="utf-8", buffering=1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.write("run_stopped", reason=type(error).__name__, message=str(error))
        if self._file:
            self._file.close()
        else:
            self._write_piece()

    def write(self, event: str, **facts: Any) -> None:
        """Note an event."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": moment, "event": event, **facts}, ensure_ascii=False) + "\n"
        if self._file:
            self._file.write(line)
            return
        self._pending.append(line)
        self._characters += len(line)
        if self._characters >= PIECE_CHARACTERS or time.monotonic() - self._written >= SECONDS_A_PIECE:
            self._write_piece()

    def add(self, report: SliceReport) -> None:
        """Note a slice that is committed or put off, and the rows of it that failed."""
        if report.counts is None:
            self.write("slice_postponed", slice=report.slice, reason=report.postponed)
            return
        counts = report.counts
        self.write(
            "slice_committed",
            slice=report.slice,
            units=counts.units,
            candidates=counts.candidates,
            kept=counts.kept,
            failed=counts.failed,
            seconds=round(sum(entry.seconds for entry in report.work), 3),
            workers=_workers(report),
        )
        for failure in report.failures:
            self.write(
                "unit_failed",
                slice=report.slice,
                unit_id=failure.unit_id,
                sample_id=failure.sample_id,
                stage=failure.stage,
                error_type=failure.error_type,
                message=failure.message,
            )

    def _name(self) -> str:
        return _piece(self._epoch, self._piece)

    def _write_piece(self) -> None:
        """Write what has been gathered; if storage is in trouble it is kept for the next time."""
        self._written = time.monotonic()
        if not self._pending:
            return
        try:
            self._storage.replace(self._name(), "".join(self._pending).encode())
        except OSError as error:
            LOG.warning("events are kept back, as they cannot be written now: %s", error)
            return
        self._piece += 1
        self._pending, self._characters = [], 0


def _workers(report: SliceReport) -> list[str]:
    """Host and process of those who worked on a slice, one a group."""
    return list(dict.fromkeys(f"{entry.host}:{entry.pid}" for entry in report.work))
