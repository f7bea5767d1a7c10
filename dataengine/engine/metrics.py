"""Prometheus metrics of a run, through Ray's metrics export.

The driver records them, from the reports it gets of every slice: one series a run, stage and verdict,
however many workers there are, and none that ends when a worker does. Ray exports them, with `ray_` before
their names and `_total` after those of counters, where `ray start --metrics-export-port` says, if its
exporter is installed (`pip install 'dataengine[metrics]'`); without it, recording costs nothing and shows nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataengine.engine.messages import SliceReport

SECONDS_BETWEEN_GAUGES = 1.0


@dataclass(frozen=True)
class Definition:
    """A metric: its kind decides the name it is exported by."""

    name: str
    kind: str
    """`Counter` or `Gauge`."""
    description: str
    tags: tuple[str, ...] = ()

    @property
    def exported_name(self) -> str:
        """What Prometheus calls it."""
        return f"ray_{self.name}_total" if self.kind == "Counter" else f"ray_{self.name}"


SLICES = Definition(
    "dataengine_slices", "Counter", "Slices by outcome: committed, postponed.", ("run", "outcome")
)
UNITS = Definition("dataengine_units", "Counter", "Units (windows) of committed slices.", ("run",))
CANDIDATES = Definition(
    "dataengine_candidates", "Counter", "Candidates by verdict: kept, rejected.", ("run", "verdict")
)
AUDIO_SECONDS = Definition(
    "dataengine_audio_seconds", "Counter", "Seconds of audio: labelled (windows), kept.", ("run", "of")
)
STAGE_ROWS = Definition(
    "dataengine_stage_rows",
    "Counter",
    "Rows that left a stage by verdict: passed, rejected, failed.",
    ("run", "stage", "verdict"),
)
STAGE_SECONDS = Definition(
    "dataengine_stage_seconds", "Counter", "Worker seconds inside a stage.", ("run", "stage")
)
MODEL_SECONDS = Definition(
    "dataengine_model_seconds", "Counter", "Worker seconds inside a stage's models.", ("run", "stage")
)
FAILURES = Definition(
    "dataengine_failures",
    "Counter",
    "Failed rows by stage and error type.",
    ("run", "stage", "error_type"),
)
UNITS_PLANNED = Definition("dataengine_units_planned", "Gauge", "Units that the run is to do.", ("run",))
UNITS_DONE = Definition(
    "dataengine_units_done", "Gauge", "Units done, by earlier drivers of the run too.", ("run",)
)
SLICES_WAITING = Definition(
    "dataengine_slices_waiting", "Gauge", "Slices without a part, those under way among them.", ("run",)
)
WORKERS = Definition("dataengine_workers", "Gauge", "Workers of a group.", ("run", "group"))

DEFINITIONS = (
    SLICES,
    UNITS,
    CANDIDATES,
    AUDIO_SECONDS,
    STAGE_ROWS,
    STAGE_SECONDS,
    MODEL_SECONDS,
    FAILURES,
    UNITS_PLANNED,
    UNITS_DONE,
    SLICES_WAITING,
    WORKERS,
)


class RunMetrics:
    """The metrics of one run, in the process of its driver, while the block runs; Ray must be running."""

    def __init__(
        self, run: str, units_planned: int, units_done: int, slices_waiting: int, workers: Mapping[str, int]
    ) -> None:
        """Start with what earlier drivers of the run have left to do; `workers` by worker group."""
        from ray.util import metrics

        self._run = run
        self._metrics: dict[str, Any] = {
            each.name: getattr(metrics, each.kind)(each.name, each.description, each.tags)
            for each in DEFINITIONS
        }
        self._units_planned, self._units_done, self._slices_waiting = (
            units_planned,
            units_done,
            slices_waiting,
        )
        self._workers = dict(workers)
        self._stop = threading.Event()

    def __enter__(self) -> RunMetrics:
        self._thread = threading.Thread(target=self._keep_gauges, name="metrics", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def add(self, report: SliceReport) -> None:
        """Count a slice that is committed or put off."""
        if report.counts is None:
            self._add(SLICES, 1, outcome="postponed")
            return
        counts = report.counts
        self._add(SLICES, 1, outcome="committed")
        self._add(UNITS, counts.units)
        self._add(CANDIDATES, counts.kept, verdict="kept")
        self._add(CANDIDATES, counts.rejected, verdict="rejected")
        self._add(AUDIO_SECONDS, counts.audio_seconds, of="labelled")
        self._add(AUDIO_SECONDS, counts.kept_seconds, of="kept")
        for entry in report.work:
            self._add(STAGE_SECONDS, entry.seconds, stage=entry.stage)
            self._add(MODEL_SECONDS, entry.model_seconds, stage=entry.stage)
            self._add(STAGE_ROWS, entry.rows_out, stage=entry.stage, verdict="passed")
            self._add(STAGE_ROWS, entry.rejected, stage=entry.stage, verdict="rejected")
            self._add(STAGE_ROWS, entry.failed, stage=entry.stage, verdict="failed")
        for failure in report.failures:
            self._add(FAILURES, 1, stage=failure.stage, error_type=failure.error_type)
        self._units_done += counts.units
        self._slices_waiting -= 1

    def _keep_gauges(self) -> None:
        """Set the gauges over and over: Ray exports one for twice its report interval, then forgets it."""
        while True:
            self._set(UNITS_PLANNED, self._units_planned)
            self._set(UNITS_DONE, self._units_done)
            self._set(SLICES_WAITING, self._slices_waiting)
            for group, workers in self._workers.items():
                self._set(WORKERS, workers, group=group)
            if self._stop.wait(SECONDS_BETWEEN_GAUGES):
                return

    def _add(self, metric: Definition, value: float, **tags: str) -> None:
        if value > 0:  # Ray's counters refuse to be raised by nothing
            self._metrics[metric.name].inc(value, self._labels(tags))

    def _set(self, metric: Definition, value: float, **tags: str) -> None:
        self._metrics[metric.name].set(value, self._labels(tags))

    def _labels(self, tags: dict[str, str]) -> dict[str, str]:
        """Tags as Ray takes them: it refuses what is not ASCII."""
        return {name: _ascii(value) for name, value in {"run": self._run, **tags}.items()}


def _ascii(text: str) -> str:
    return text.replace("…", "...").encode("ascii", "backslashreplace").decode()
