"""What committing, finding and finishing very many units costs, and what that says of a hundred million.

    python benchmarks/finish_scale.py [--units 1000000 10000000] [--slice-units 128] [--folder FOLDER]

Every slice is committed as a worker commits it (rows of realistic width, without audio), then all parts are
listed, their footers are read and the run is finished, each step in a process of its own. Printed are seconds
by the clock and of CPU, bytes and the peak of memory for each size, and what the steps come to at 100 M units if
they go on growing as they did between the two largest sizes (in proportion, if there is one size). Memory is not
extrapolated: DuckDB takes what it is allowed and no more. Audio is left out: it is copied as it is, at the pace
that benchmarks/pack.py measures. Beside what finishing took stands what `dataengine plan` would have told beforehand,
from a rehearsal on the first parts of the same run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from synthetic_run import AUDIO, KEPT_ABOVE, SCORES, make_run, peak_gigabytes

from dataengine.engine.batch import Batch
from dataengine.engine.finish import finish
from dataengine.engine.footers import read_footers
from dataengine.engine.job import Job
from dataengine.engine.parts import PARTS_FOLDER, commit, committed_parts, part_of
from dataengine.engine.rehearsal import rehearse
from dataengine.engine.settings import PackSettings
from dataengine.engine.shard_writers import writers_here
from dataengine.engine.slice_work import SliceState, StageWork
from dataengine.engine.storage import Storage
from manifests.identity import stable_hash

TARGET_UNITS = 100_000_000
STAGES = 13
IDS = ("unit_id", "recording_id", "sample_id")


@dataclass(frozen=True)
class Step:
    """One step at one size."""

    name: str
    seconds: float
    cpu_seconds: float
    gigabytes: float
    """Of memory, at most, in the step's process."""


def commit_slices(template: Path, folder: Path, slice_units: int, numbers: range) -> Step:
    """Commit these slices with the engine's own code."""
    job = _job(template, folder, slice_units)
    (part,) = template.glob("parts/00000/*.parquet")
    rows = pq.read_table(part).drop_columns(["slice"])
    rows = rows.append_column("row_order", pa.array(np.arange(len(rows))))
    started, cpu_started = time.perf_counter(), time.process_time()
    for number in numbers:
        of_slice = rows
        for name in IDS:
            ids = pa.array([stable_hash(name, str(number), str(row)) for row in range(len(rows))])
            of_slice = of_slice.set_column(of_slice.schema.get_field_index(name), name, ids)
        drawn = np.random.default_rng(number).random((len(SCORES), len(rows)), np.float32)
        for name, values in zip(SCORES, drawn, strict=True):
            of_slice = of_slice.set_column(of_slice.schema.get_field_index(name), name, pa.array(values))
        work = [
            StageWork(number, f"stage_{stage}", "all", slice_units, slice_units) for stage in range(STAGES)
        ]
        state = SliceState(Batch.from_arrow(of_slice), [])
        commit(part_of(number, of_slice, job.pipeline_digest), state, work, job)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return Step("commit", seconds, cpu_seconds, peak_gigabytes())


def list_parts(job: Job) -> int:
    """Find all parts, as every start of a run does."""
    return sum(1 for _ in committed_parts(job.storage))


def read_all_footers(job: Job) -> int:
    """Read the figures of all parts, as every start of a run does."""
    return sum(footer.counts.units for footer in read_footers(job.storage))


def finish_run(slices: int, job: Job) -> None:
    """Make the tables."""
    finish(job, slices, PackSettings(), writers_here, lambda *_: None, lambda: None)


def foretold(units: int, slice_units: int, folder: Path) -> float:
    """Seconds of finishing, as `dataengine plan` would tell them."""
    rehearsed = rehearse(Storage.at(folder), units, slice_units, PackSettings())
    packing = rehearsed.packing.at(units * (1 - KEPT_ABOVE) * len(AUDIO)) if rehearsed.packing else 0.0
    return rehearsed.finishing.at(units) + packing


def measured(name: str, step: Callable[[Job], Any], template: Path, folder: Path, slice_units: int) -> Step:
    """Take a step in this process."""
    job = _job(template, folder, slice_units)
    started, cpu_started = time.perf_counter(), time.process_time()
    step(job)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return Step(name, seconds, cpu_seconds, peak_gigabytes())


def steps_of(units: int, slice_units: int, parent: Path | None) -> tuple[list[Step], dict[str, int], float]:
    """All steps at one size, the bytes of what they leave, and the seconds of finishing that are foretold."""
    slices = -(-units // slice_units)
    spawn = get_context("spawn")
    with tempfile.TemporaryDirectory(dir=parent) as temporary:
        template, folder = Path(temporary) / "template", Path(temporary) / "run"
        make_run(template, slice_units, slice_units)
        job = make_run(folder, 0, slice_units)
        processes = os.cpu_count() or 1
        shares = [range(start, slices, processes) for start in range(processes)]
        with spawn.Pool(processes) as pool:
            committed = pool.map(partial(commit_slices, template, folder, slice_units), shares)
        wall, memory = max(each.seconds for each in committed), max(each.gigabytes for each in committed)
        steps = [Step("commit", wall, sum(each.cpu_seconds for each in committed), memory)]
        todo = {
            "list parts": list_parts,
            "read footers": read_all_footers,
            "finish": partial(finish_run, slices),
        }
        with spawn.Pool(1) as alone:
            expected = alone.apply(foretold, (units, slice_units, folder))
        for name, step in todo.items():
            with spawn.Pool(1) as alone:
                steps.append(alone.apply(measured, (name, step, template, folder, slice_units)))
        storage = job.storage
        folders = (PARTS_FOLDER, "samples", "log")
        return steps, {name: storage.filesystem.du(storage.path(name)) for name in folders}, expected


def at_target(sizes: list[int], values: list[float]) -> float:
    """The value at 100 M units, along the line through the two largest sizes."""
    if len(sizes) == 1:
        return values[0] * TARGET_UNITS / sizes[0]
    slope = (values[-1] - values[-2]) / (sizes[-1] - sizes[-2])
    return values[-1] + slope * (TARGET_UNITS - sizes[-1])


def _job(template: Path, folder: Path, slice_units: int) -> Job:
    """The job of the run in `folder`; `template` holds one slice of the same rows."""
    job = make_run(template, slice_units, slice_units)
    return replace(job, storage=type(job.storage).at(folder))


def main() -> None:
    """Measure each size and extrapolate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--slice-units", type=int, default=128)
    parser.add_argument("--folder", type=Path, help="Where to work; default: the system's temporary folder.")
    options = parser.parse_args()
    sizes = sorted(options.units)
    steps: dict[str, list[Step]] = {}
    left: dict[str, list[int]] = {}
    for units in sizes:
        of_size, folders, expected = steps_of(units, options.slice_units, options.folder)
        print(f"{units:,} units in {-(-units // options.slice_units):,} slices")
        for step in of_size:
            steps.setdefault(step.name, []).append(step)
            times = f"{step.seconds:9.1f} s {step.cpu_seconds:9.1f} s of CPU"
            print(f"  {step.name:13} {times} {step.gigabytes:7.2f} GB of memory", flush=True)
        print(f"  {'finish, as foretold':20} {expected:6.1f} s")
        for folder, size in folders.items():
            left.setdefault(folder, []).append(size)
            print(f"  {folder:13} {size / 1e6:9.1f} MB", flush=True)
    print(f"{TARGET_UNITS:,} units in {-(-TARGET_UNITS // options.slice_units):,} slices, extrapolated")
    for name, of_name in steps.items():
        seconds = at_target(sizes, [step.seconds for step in of_name])
        cpu_seconds = at_target(sizes, [step.cpu_seconds for step in of_name])
        print(f"  {name:13} {seconds:9.0f} s {cpu_seconds:9.0f} s of CPU")
    for folder, of_folder in left.items():
        print(f"  {folder:13} {at_target(sizes, [float(size) for size in of_folder]) / 1e9:9.1f} GB")


if __name__ == "__main__":
    main()
