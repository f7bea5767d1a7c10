"""How near the demo's pipeline comes to the time that its models take by themselves.

    python benchmarks/speed_of_light.py [--input data/demo/pool.parquet] [--windows 440]

Labels the windows twice: with one worker, while nothing else runs, which gives the time that the models take alone; and
with as many as there are cores, as a user does. Prints what the workers' time went into, and the ratio that counts:
the models' own time ÷ (time of labelling × workers), start of the workers, loading of models and last commit
included. Goal: 0.9. What a run itself calls its share inside models is measured while workers share caches and
memory, and so is a little higher.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from dataengine import Pipeline, run
from dataengine.report.run_directory import RunDirectory
from dataengine.report.speed import Speed, speed_of

PIPELINE = "stages/pseudolabel.yaml"
GOAL = 0.9


def labelled(windows: Path, folder: Path, *overrides: str) -> RunDirectory:
    """A new run on the windows."""
    shutil.rmtree(folder, ignore_errors=True)
    run(Pipeline.load(PIPELINE, [f"input={windows}", *overrides]), folder)
    return RunDirectory.at(folder)


def seconds_before_the_first_slice(found: RunDirectory, workers: float) -> float:
    """Of all workers: Ray's actors, our processes, the models."""
    ((first,),) = found.query("SELECT min(started) FROM work")
    return float(first - found.drivers[0].started) * workers


def main() -> None:
    """Run both, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", type=Path, default=Path("data/demo/pool.parquet"))
    parser.add_argument("--windows", type=int, default=440)
    parser.add_argument("--runs", type=Path, default=Path("build/benchmarks/speed_of_light"))
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    windows = options.runs / "windows.parquet"
    pq.write_table(pq.read_table(options.input).slice(0, options.windows), windows)
    alone = speed_of(labelled(windows, options.runs / "alone", "engine.workers=1"))
    both = labelled(windows, options.runs / "all")
    together = speed_of(both)
    report(alone, together, seconds_before_the_first_slice(both, both.drivers[0].workers))


def report(alone: Speed, together: Speed, starting: float) -> None:
    """Print where the time went, and the ratio."""
    whole = together.worker_seconds
    parts = {
        "inside models": together.model_seconds,
        "in stages, outside models": together.stage_seconds - together.model_seconds,
        "before the first slice": starting,
        "else: reading, writing, waiting": together.other_seconds - starting,
    }
    for name, seconds in parts.items():
        print(f"{name:32} {seconds:7.1f} s of workers  {seconds / whole:6.1%}")
    for stage in sorted(together.stages, key=lambda each: each.model_seconds - each.seconds)[:4]:
        outside = stage.seconds - stage.model_seconds
        print(f"  {stage.stage:30} {outside:7.1f} s outside models")
    ratio = alone.model_seconds / whole
    print(f"models alone: {alone.model_seconds:.1f} s; with all workers: {together.model_seconds:.1f} s")
    print(f"speed of light: {ratio:.2f} ({'reached' if ratio >= GOAL else 'not reached'}: {GOAL})")


if __name__ == "__main__":
    main()
