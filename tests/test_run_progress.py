"""What is seen of a run while it goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dataengine.engine.messages import SliceReport
from dataengine.engine.parts import Counts
from dataengine.engine.slice_work import StageWork
from dataengine.run_progress import RunProgress

DONE_BEFORE = Counts(units=100, candidates=150, kept=40, rejected=110, retained=10)
SLICE = Counts(units=32, empty=2, candidates=60, kept=20, rejected=38, retained=7, failed=2)


def report(number: int) -> SliceReport:
    work = StageWork(number, "decode", "all", rows_in=32, rows_out=30, failed=2, seconds=1.5)
    return SliceReport(number, SLICE, (work,))


def progress(terminal: bool) -> RunProgress:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=140)
    return RunProgress(["decode", "caption"], 1000, DONE_BEFORE, console)


def test_a_terminal_shows_stages_verdicts_and_the_time_left():
    shown = progress(terminal=True)
    shown.add(report(0))
    shown.add(report(1))
    shown.console.print(shown)
    text = shown.console.file.getvalue()  # type: ignore[attr-defined]
    assert "kept 80, rejected 186 (24 retained), failed 4, 4 windows without candidates" in text
    assert "164/1000" in text
    (row,) = [line for line in text.splitlines() if "decode" in line]
    assert "64" in row  # rows of both slices


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr("dataengine.run_progress.monotonic", lambda: now)
    shown = progress(terminal=False)
    with shown.shown():
        for number in range(5):
            now += 4.0
            shown.add(report(number))
    lines = shown.console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1
    assert lines[0].startswith("run: 196/1,000 windows, 8.0 windows/s, about 1 min 40 s left; kept 100,")
