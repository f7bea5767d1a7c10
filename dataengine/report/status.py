"""How far a run is: running, stopped or finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from dataengine.engine.attempts import attempts_of
from dataengine.engine.footers import Footer, read_footers
from dataengine.engine.lease import Holder, holder_of
from dataengine.engine.part_rows import counts_so_far
from dataengine.engine.parts import Counts
from dataengine.report.cost import per_kept_hour
from dataengine.report.run_directory import RunDirectory
from dataengine.report.speed import StageSpeed
from dataengine.run_files import SUMMARY_FILE

RECENT_SLICES = 200
"""The slices that the rate is measured on."""
SLICES_UNTIL_SILENT = 3
"""A worker that has not ended a slice for so many times the longest is taken for gone."""


@dataclass(frozen=True)
class RunStatus:
    """A run at this moment."""

    run_dir: str
    state: Literal["running", "stopped", "finished"]
    """Stopped: nobody works on it and slices, or the samples and shards, are still to be made."""
    slices: int
    slices_done: int
    units: int
    counts: Counts
    """What the slices done so far hold."""
    stages: tuple[StageSpeed, ...]
    seconds_per_kept_hour: dict[str, float | None]
    """Seconds of a worker, by stage, for each hour of kept audio; None before anything is kept."""
    units_per_second: float | None
    """Of all workers together, over the latest slices; None before the first."""
    seconds_left: float | None
    """Of labelling; None unless it is running, its rate is known and slices are still to be done."""
    last_activity: float | None
    """Unix time at which the last slice was done."""
    writer: Holder | None
    """Who works on it now."""
    selections: tuple[str, ...] = ()
    """Names of what was selected anew from it."""

    def to_json(self) -> str:
        """All of it, for programs."""
        return json.dumps(asdict(self), indent=2)


def status_of(run_dir: str | Path) -> RunStatus:
    """Read the state of a run from what it has committed. Raises UserError if there is no run."""
    run = RunDirectory.at(run_dir)
    footers = list(read_footers(run.storage))
    counts = counts_so_far(run.storage, footers)
    attempts = attempts_of(run.storage)
    units = run.facts["manifest"]["units"]
    slices = run.facts["slices"] + sum(attempt.slices for attempt in attempts)
    units_left = (
        units + sum(attempt.units for attempt in attempts) - sum(footer.counts.units for footer in footers)
    )
    holder = holder_of(run.storage)
    writer = holder if holder is not None and holder.is_alive() else None
    complete = len(footers) == slices and run.storage.exists(SUMMARY_FILE)
    rate = units_per_second(footers)
    stages = stage_speeds(footers, run.stage_names)
    return RunStatus(
        run_dir=run.storage.root,
        state="running" if writer else "finished" if complete else "stopped",
        slices=slices,
        slices_done=len(footers),
        units=units,
        counts=counts,
        stages=stages,
        seconds_per_kept_hour={
            each.stage: per_kept_hour(each.seconds, counts.kept_seconds) for each in stages
        },
        units_per_second=rate,
        seconds_left=units_left / rate if writer and rate and units_left else None,
        last_activity=max((footer.ended for footer in footers), default=None),
        writer=writer,
        selections=tuple(run.selections),
    )


def units_per_second(footers: Sequence[Footer]) -> float | None:
    """Rate of the whole run, from the latest slices.

    Each group does (its workers) × units ÷ (their busy seconds), and the run goes as fast as its slowest
    group. Pauses between two starts of the run do not count, nor workers that have not been heard of for
    the time of a few slices.
    """
    latest = sorted(footers, key=lambda footer: footer.ended)[-RECENT_SLICES:]
    turns = [turn for footer in latest for turn in footer.turns]
    if not turns:
        return None
    units = sum(footer.counts.units for footer in latest)
    silent_since = max(turn.ended for turn in turns) - SLICES_UNTIL_SILENT * max(
        turn.seconds for turn in turns
    )
    rates = []
    for group in {turn.group for turn in turns}:
        of_group = [turn for turn in turns if turn.group == group]
        workers = {turn.worker for turn in of_group if turn.ended >= silent_since}
        rates.append(len(workers) * units / max(sum(turn.seconds for turn in of_group), 1e-9))
    return min(rates)


def stage_speeds(footers: Sequence[Footer], order: Sequence[str]) -> tuple[StageSpeed, ...]:
    """What each stage has done so far, in the order of the pipeline."""
    entries = [each for footer in footers for each in footer.work]
    return tuple(
        StageSpeed(
            stage=name,
            rows=sum(each.rows_in for each in entries if each.stage == name),
            seconds=sum(each.seconds for each in entries if each.stage == name),
            model_seconds=sum(each.model_seconds for each in entries if each.stage == name),
            rejected=sum(each.rejected for each in entries if each.stage == name),
            failed=sum(each.failed for each in entries if each.stage == name),
        )
        for name in order
    )
