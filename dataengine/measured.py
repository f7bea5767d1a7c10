"""What a unit costs and leaves, taken from a run that was done before."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import islice, pairwise
from statistics import median

from dataengine.driver_log import DRIVERS_FOLDER
from dataengine.engine.events import first_events
from dataengine.engine.footers import Footer, Turn, read_footers
from dataengine.engine.parts import PARTS_FOLDER, Counts
from dataengine.engine.results import SAMPLES_FOLDER, SHARDS_FOLDER
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.run_files import SUMMARY_FILE
from dataengine.scale import Rates

PARTS_READ = 4096
"""Of a large run: its first, in a row, so that a worker's slices follow each other."""


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
    commit_seconds, ray_seconds = _between_slices(footers)
    counts = sum((footer.counts for footer in footers), Counts())
    return Rates(
        units=units,
        stage_seconds={stage: spent / units for stage, spent in seconds.items()},
        commit_seconds=commit_seconds * len(footers) / units,
        ray_seconds=ray_seconds,
        start_seconds=_start_seconds(storage, footers),
        audio_seconds=counts.audio_seconds / units,
        rows=(counts.candidates + counts.empty + counts.failed) / units,
        kept_seconds=counts.kept_seconds / units,
        **_bytes_a_unit(storage),
    )


def _between_slices(footers: Sequence[Footer]) -> tuple[float, float]:
    """Typical seconds between the stages of one slice and of the next: of the committing worker, and of Ray.

    A group that waits for another waits longer than Ray takes, so the busiest group says what that is.
    """
    turns: dict[tuple[str, tuple[str, int]], list[Turn]] = defaultdict(list)
    for turn in (turn for footer in footers for turn in footer.turns):
        turns[turn.group, turn.worker].append(turn)
    at_work, waited = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for (group, _), of_worker in turns.items():
        of_worker.sort(key=lambda turn: turn.started)
        for before, after in pairwise(of_worker):
            at_work[group].append(max(0.0, after.started - before.ended - after.waited))
            waited[group].append(after.waited)
    committing = at_work[footers[0].work[-1].group]
    ray = min((median(of_group) for of_group in waited.values()), default=0.0)
    return median(committing) if committing else 0.0, ray


def _start_seconds(storage: Storage, footers: Sequence[Footer]) -> float:
    """From a driver's plan until its first slice was begun, at the median of the run's drivers."""
    begun = sorted(turn.started for footer in footers for turn in footer.turns)
    waits = []
    for name in storage.files(DRIVERS_FOLDER, ".json"):
        driver = json.loads(storage.read(name))
        started, events = driver["started"], first_events(driver["epoch"])
        if storage.exists(events):  # a user may have removed them; the driver's own start is that after Ray's
            with storage.open(events) as file:
                started = datetime.fromisoformat(json.loads(file.readline())["time"]).timestamp()
        first = next((moment for moment in begun if started <= moment <= driver["ended"]), None)
        if first is not None:
            waits.append(first - started)
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
