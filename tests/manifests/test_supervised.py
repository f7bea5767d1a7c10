from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import pytest

from manifests.supervised import WorkerLostError, map_files


def names(files: Sequence[str]) -> list[str]:
    """Gives the names back; some files are deadly."""
    for file in files:
        if file == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if file == "stall":
            time.sleep(60)
        if file == "greed":
            bytearray(2**40)
    return list(files)


def lost(file: str, why: WorkerLostError) -> list[str]:
    return [f"{file}: {type(why).__name__}"]


def test_results_come_in_the_order_of_the_files() -> None:
    files = [str(number) for number in range(500)]
    assert [name for part in map_files(names, files, lost, workers=2) for name in part] == files


def test_a_file_that_kills_or_stalls_its_worker_costs_only_itself() -> None:
    files = [str(number) for number in range(40)]
    files[7], files[23] = "crash", "stall"
    done = [name for part in map_files(names, files, lost, workers=2, time_limit=2.0) for name in part]
    assert done[7] == "crash: DecoderCrashedError"
    assert done[23] == "stall: DecoderStalledError"
    assert [name for name in done if name.isdigit()] == [name for name in files if name.isdigit()]


def test_memory_is_limited_and_errors_are_raised_here() -> None:
    with pytest.raises(MemoryError):
        list(map_files(names, ["greed"], lost, workers=1))
