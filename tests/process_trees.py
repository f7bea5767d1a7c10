"""Processes and what they started, as /proc shows them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

Process = tuple[int, int]
"""Number of a process and when it started: numbers are used again."""


def alive(processes: Sequence[Process]) -> list[Process]:
    """Those of the processes that still run."""
    return [process for process in processes if _started(process[0]) == process[1]]


def gone_within(processes: Sequence[Process], seconds: float) -> list[Process]:
    """Those of the processes that still run after so long; none if all ended."""
    deadline = time.monotonic() + seconds
    while left := alive(processes):
        if time.monotonic() > deadline:
            return left
        time.sleep(0.2)
    return []


def descendants(pid: int) -> list[Process]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        if (started := _started(each)) is not None:
            found.append((each, started))
        waiting.extend(children.get(each, ()))
    return found


def _started(pid: int) -> int | None:
    """When a process started, in ticks since boot; None if it has ended."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in ("Z", "X") else None


def _stat(pid: int) -> list[str] | None:
    """State, parent, … as proc(5) lists them after the name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
