"""What a unit costs and leaves, taken from a probe or from a run that was done before."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice, pairwise
from statistics import median

from dataengine.engine.footers import Footer, Turn, read_footers
from dataengine.engine.parts import PARTS_FOLDER
from dataengine.engine.probe import ProbeResult
from dataengine.engine.results import SAMPLES_FOLDER, SHARDS_FOLDER
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.run_files import SUMMARY_FILE
from dataengine.scale import SECONDS_A_TASK, Rates

DRIVERS_FOLDER = "log/drivers"
PARTS_READ = 4096
"""Of a large run: its first, in a row, so that a worker's slices follow each other."""


def rates_of_probe(measured: ProbeResult, audio_seconds: float) -> Rates:
    """Rates of a probe, which runs the stages and commits nothing; `audio_seconds` are those of a unit."""
    seconds = {entry.stage: entry.seconds / measured.units for entry in measured.work}
    return Rates(seconds, 0.0, measured.setup_seconds, audio_seconds)


def rates_of_run(run_dir: str, stages: Sequence[str]) -> Rates:
    """Rates of a run with these stages, among others; bytes only if it is finished.

    Raises:
        UserError: there is no run, it has no committed slice, or it lacks a stage.
    """
    storage = Storage.at(run_dir)
    footers = list(islice(read_footers(storage), PARTS_READ))
    if not footers:
        raise UserError("no run with a committed slice is here to measure by", where=run_dir)
    units = sum(footer.counts.units for footer in footers)
    seconds: dict[str, float] = defaultdict(float)
    for entry in (entry for footer in footers for entry in footer.work):
        seconds[entry.stage] += entry.seconds
    if missing := [stage for stage in stages if stage not in seconds]:
        raise UserError(
            f"this run has not measured {', '.join(missing)}; measure with --probe, or name a run that has them",
            where=run_dir,
        )
    return Rates(
        stage_seconds={stage: spent / units for stage, spent in seconds.items()},
        commit_seconds=_commit_seconds(footers, units),
        start_seconds=_start_seconds(storage, footers),
        audio_seconds=sum(footer.counts.audio_seconds for footer in footers) / units,
        kept_seconds=sum(footer.counts.kept_seconds for footer in footers) / units,
        **_bytes_a_unit(storage),
    )


def _commit_seconds(footers: Sequence[Footer], units: int) -> float:
    """Between two slices of a worker, less what Ray's task costs.

    A group that waits for another has longer pauses, so those of the busiest group count.
    """
    turns: dict[tuple[str, tuple[str, int]], list[Turn]] = defaultdict(list)
    for turn in (turn for footer in footers for turn in footer.turns):
        turns[turn.group, turn.worker].append(turn)
    pauses: dict[str, list[float]] = defaultdict(list)
    for (group, _), of_worker in turns.items():
        of_worker.sort(key=lambda turn: turn.started)
        pauses[group] += [after.started - before.ended for before, after in pairwise(of_worker)]
    typical = min((median(of_group) for of_group in pauses.values() if of_group), default=0.0)
    return max(0.0, typical - SECONDS_A_TASK) * len(footers) / units


def _start_seconds(storage: Storage, footers: Sequence[Footer]) -> float:
    """From the start of a driver until its first slice was begun, at the median of the run's drivers."""
    begun = sorted(turn.started for footer in footers for turn in footer.turns)
    waits = []
    for name in storage.files(DRIVERS_FOLDER, ".json"):
        driver = json.loads(storage.read(name))
        first = next((moment for moment in begun if driver["started"] <= moment <= driver["ended"]), None)
        if first is not None:
            waits.append(first - driver["started"])
    return median(waits) if waits else 0.0


def _bytes_a_unit(storage: Storage) -> dict[str, float]:
    """What a finished run holds; nothing of one that is not."""
    try:
        units = json.loads(storage.read(SUMMARY_FILE))["counts"]["units"]
    except FileNotFoundError:
        return {}
    folders = {"part_bytes": PARTS_FOLDER, "sample_bytes": SAMPLES_FOLDER, "shard_bytes": SHARDS_FOLDER}
    return {
        name: storage.filesystem.du(storage.path(folder)) / units if storage.exists(folder) else 0.0
        for name, folder in folders.items()
    }
