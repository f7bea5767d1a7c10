"""How long a run of ten million units takes to go on when nine million are done.

    python benchmarks/resume.py [--units 10000000] [--slice-units 32]

The run directory is made by the engine itself, which plans the manifest and labels one slice; the parts of
nine tenths of the slices are then links to that slice's part, under the names that theirs would have. Measured
is the time from `dataengine run` to the first part that it adds, and the memory of the driver until then. The baseline
is the same command on a manifest of one slice: what a start costs anyway. Goals: under 60 s and 2 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from process_tree import DRIVER, Measured, measure
from rows import ENVIRONMENT, FOLDER, MEGABYTE, command, write_pipeline

from dataengine.engine.parts import PARTS_A_FOLDER, PARTS_FOLDER, Part, part_of
from dataengine.engine.plan import SLICES_A_FILE, plan_file

DONE_OF_TEN = 9


def first_parts(run_dir: Path) -> Path:
    """Where the parts of the first slices are, the one that the engine made among them."""
    return run_dir / PARTS_FOLDER / "00000"


def label_one_slice(pipeline: Path, run_dir: Path, slice_units: int) -> Measured:
    """Plan, and have the first slice done."""
    shutil.rmtree(run_dir, ignore_errors=True)
    return measure(
        [*command(pipeline, run_dir), "--limit", str(slice_units)],
        FOLDER / "logs" / "resume-first.txt",
        ENVIRONMENT,
        until=lambda: bool(list(first_parts(run_dir).glob("*.parquet"))),
    )


def link_parts(run_dir: Path, count: int) -> None:
    """Give the first `count` slices a part."""
    (made,) = first_parts(run_dir).glob("*.parquet")
    links = run_dir / "links"
    links.mkdir()
    for number, part in enumerate(_parts(run_dir, count)):
        target = run_dir / part.name
        if number % PARTS_A_FOLDER == 0:  # a filesystem allows some 60,000 links to one file
            made = Path(shutil.copy(made, links / f"{number:08d}"))
            target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(made, target)


def _parts(run_dir: Path, count: int) -> Iterator[Part]:
    digest = json.loads((run_dir / "run.json").read_text())["pipeline_digest"]
    for start in range(0, count, SLICES_A_FILE):
        with pq.ParquetFile(run_dir / plan_file(start // SLICES_A_FILE)) as plan:
            for number in range(start, min(start + SLICES_A_FILE, count)):
                units = plan.read_row_group(number - start, columns=["unit_id"])
                yield part_of(number, units, digest)


def go_on(pipeline: Path, run_dir: Path, first_new: int) -> Measured:
    """Run until a part is there that was not."""
    folder = run_dir / PARTS_FOLDER
    return measure(
        command(pipeline, run_dir),
        FOLDER / "logs" / "resume.txt",
        ENVIRONMENT,
        until=lambda: any(
            int(path.name[:8]) >= first_new
            for number in (0, 1)
            for path in (folder / f"{first_new // PARTS_A_FOLDER + number:05d}").glob("*.parquet")
        ),
    )


def main() -> None:
    """Prepare, go on, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=10_000_000)
    parser.add_argument("--slice-units", type=int, default=32)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    run_dir = FOLDER / "resume"
    start = label_one_slice(
        write_pipeline(options.slice_units, options.slice_units), run_dir, options.slice_units
    )
    pipeline = write_pipeline(options.units, options.slice_units)
    planned = label_one_slice(pipeline, run_dir, options.slice_units)
    slices = -(-options.units // options.slice_units)
    done = slices * DONE_OF_TEN // 10
    link_parts(run_dir, done)
    resumed = go_on(pipeline, run_dir, done)
    shutil.rmtree(run_dir)
    print(
        f"{options.units:,} units in {slices:,} slices, {done:,} of them done: first new part after "
        f"{resumed.seconds:.1f} s, driver at most {resumed.peak_memory(DRIVER) / MEGABYTE:,.0f} MB\n"
        f"a start with nothing to resume takes {start.seconds:.1f} s: ratio {resumed.seconds / start.seconds:.1f}; "
        f"planning the same units took {planned.seconds - start.seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
