"""How many units a second the engine takes from a manifest to the samples table when stages cost nothing.

    python benchmarks/rows.py [--units 1000000 10000000] [--slice-units 10000]

Runs a pipeline of one trivial stage on a manifest of windows that exist in name only: planning, Ray, commit
and finishing are all that costs. The baseline is one process that copies the manifest's table to another,
sorted by the id, with DuckDB: it, too, reads, sorts and writes every row. Memory is sampled ten times a second
(process_tree.py) and its growth is fitted over the time of the work. Goals: at least 50,000 units a second on
two cores, memory of driver and workers flat.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from process_tree import DRIVER, WORKER, Measured, measure
from unit_table import write_unit_table

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "build" / "benchmarks"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
WORKERS = 2
MEGABYTE = 1e6

COPY = (
    "import sys, duckdb; duckdb.sql('SET threads = 2'); duckdb.sql(\"COPY (SELECT * FROM '%s' ORDER BY unit_id) "
    "TO '%s' (FORMAT parquet, COMPRESSION zstd)\" % tuple(sys.argv[1:]))"
)


@dataclass(frozen=True)
class Phases:
    """Unix times at which a run went from one thing to the next."""

    ready: float
    """The plan is written and Ray is there."""
    labelled: float
    """Every slice is committed; what follows is finishing."""


def write_pipeline(units: int, slice_units: int) -> Path:
    """A manifest and a pipeline of one stage that reads it."""
    manifest = FOLDER / f"units-{units}.parquet"
    if not manifest.exists():
        write_unit_table(manifest, units)
    pipeline = FOLDER / f"units-{units}.yaml"
    pipeline.write_text(
        f"input: {manifest}\nstages: [trivial]\n"
        f"engine: {{slice_units: {slice_units}, micro_batch_units: {slice_units}, workers: {WORKERS}}}\n"
    )
    return pipeline


def command(pipeline: Path, run_dir: Path) -> list[str]:
    """What starts the run."""
    program = str(Path(sys.executable).with_name("dataengine"))
    return [
        program,
        "run",
        str(pipeline),
        "--stages",
        str(HERE / "trivial_stage.py"),
        "--run-dir",
        str(run_dir),
    ]


def phases(run_dir: Path) -> Phases:
    """When the run did what."""
    log = json.loads((run_dir / "log/drivers/00001.json").read_text())
    return Phases(log["started"], log["ended"])


def growth(measured: Measured, role: str, since: float, until: float, units: int) -> float:
    """Bytes that the processes in a role grow by a million units, fitted over the second half of a span of time.

    In the first half libraries are still being imported and buffers found.
    """
    samples = [s for s in measured.samples if (since + until) / 2 <= s.time <= until]
    if len(samples) < 3:
        return float("nan")
    times = np.array([s.time for s in samples]) - since
    slope = np.polyfit(times, [s.memory(role) for s in samples], 1)[0]
    return float(slope) * (until - since) / units * 1e6


def bare_rate(manifest: Path) -> float:
    """Rows a second of a sorted copy."""
    target = FOLDER / "sorted.parquet"
    copied = measure([sys.executable, "-c", COPY, str(manifest), str(target)], FOLDER / "logs" / "copy.txt")
    target.unlink()
    return copied.seconds


def report(units: int, slice_units: int) -> str:
    """Run it and say what it took."""
    pipeline, run_dir = write_pipeline(units, slice_units), FOLDER / "rows"
    shutil.rmtree(run_dir, ignore_errors=True)
    copying = bare_rate(FOLDER / f"units-{units}.parquet")
    measured = measure(command(pipeline, run_dir), FOLDER / "logs" / "rows.txt", ENVIRONMENT)
    done = json.loads((run_dir / "summary.json").read_text())["counts"]["units"]
    if done != units:
        raise SystemExit(f"{done} of {units} units are in the table")
    times, ended = phases(run_dir), measured.started + measured.seconds
    sizes = [path.stat().st_size for path in (run_dir / "parts").rglob("*.parquet")]
    shutil.rmtree(run_dir)
    lines = [
        f"{units:,} units: {units / measured.seconds:,.0f} a second end to end, {measured.seconds:.1f} s, "
        f"of which planning and start {times.ready - measured.started:.1f}, "
        f"labelling {times.labelled - times.ready:.1f}, finishing {ended - times.labelled:.1f}",
        f"  {measured.cpu_seconds / units * 1e6:.1f} µs of processor a unit; a sorted copy of the manifest takes "
        f"{copying:.1f} s: ratio {measured.seconds / copying:.1f}",
        f"  {len(sizes):,} parts of {np.median(sizes) / MEGABYTE:.2f} MB (median)",
    ]
    for role, since, until in (
        (DRIVER, times.ready, times.labelled),
        (WORKER, times.ready, times.labelled),
        (DRIVER, times.labelled, ended),
    ):
        name = "all workers" if role == WORKER else "driver"
        when = "labelling" if since == times.ready else "finishing"
        peak = max((s.memory(role) for s in measured.samples if since <= s.time <= until), default=0)
        lines.append(
            f"  memory of {name} while {when}: at most {peak / MEGABYTE:,.0f} MB, "
            f"growing by {growth(measured, role, since, until, units) / MEGABYTE:+,.1f} MB a million units"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure one size after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--slice-units", type=int, default=10_000)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for units in options.units:
        print(report(units, options.slice_units), flush=True)


if __name__ == "__main__":
    main()
