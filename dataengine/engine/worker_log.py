"""What stages and libraries log in a worker: JSON lines that say which slice, stage and rows were at work."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime


class WorkerLog(logging.Formatter):
    """Writes records as JSON, with what the worker is at."""

    def __init__(self, group: str) -> None:
        super().__init__()
        self._worker = {"group": group, "host": socket.gethostname(), "pid": os.getpid()}
        self.slice: int | None = None
        self.stage = ""
        self.rows: Sequence[str] = ()
        """Ids of the rows that the stage was given: units before candidates are proposed, then samples."""

    def capture(self) -> None:
        """Have everything that is logged in this process, warnings too, go to standard error in this form."""
        handler = logging.StreamHandler()
        handler.setFormatter(self)
        logging.basicConfig(handlers=[handler], force=True)
        logging.captureWarnings(True)

    def at(self, stage: str, rows: Sequence[str]) -> None:
        """Note which stage works on which rows from now on."""
        self.stage, self.rows = stage, rows

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "slice": self.slice,
            "stage": self.stage,
            "rows": list(self.rows),
            **self._worker,
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)
