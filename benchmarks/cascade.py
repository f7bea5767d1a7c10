"""What `scores: cascade` saves: seconds inside models and inside stages, with and without.

    python benchmarks/cascade.py [--input data/demo/pool.parquet] [--windows 440] [--filters FILE] [--runs DIR]

Runs stages/pseudolabel.yaml twice on the same windows: with all scores, and as a cascade in the order that the first
run tells. Both must keep and retain the same candidates. Prints the order, what each stage was given and took, and
the ratio of the two; runs that are there are used again.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from dataengine import Pipeline, run
from dataengine.report.run_directory import RunDirectory

PIPELINE = "stages/pseudolabel.yaml"


@dataclass(frozen=True)
class StageTotals:
    """What a stage was given, and took."""

    rows: int
    seconds: float
    model_seconds: float


def totals(folder: Path) -> dict[str, StageTotals]:
    """The work of a run, by stage."""
    found = RunDirectory.at(folder).query(
        "SELECT stage, sum(rows_in)::BIGINT, sum(seconds), sum(model_seconds) FROM work GROUP BY stage"
    )
    return {stage: StageTotals(*figures) for stage, *figures in found}


def fates(folder: Path) -> list[tuple[object, ...]]:
    """Every candidate, and whether it is kept or retained."""
    return RunDirectory.at(folder).query("SELECT sample_id, kept, retained FROM samples ORDER BY sample_id")


def main() -> None:
    """Run both, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", type=Path, default=Path("data/demo/pool.parquet"))
    parser.add_argument("--windows", type=int, default=440)
    parser.add_argument("--filters", default="conf/filters/embedded.yaml")
    parser.add_argument("--runs", type=Path, default=Path("build/benchmarks/cascade"))
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    windows = options.runs / "windows.parquet"
    pq.write_table(pq.read_table(options.input).slice(0, options.windows), windows)
    settings = [f"input={windows}", f"stages.filter.criteria={options.filters}"]
    whole, cascade = options.runs / "all", options.runs / "cascade"
    run(Pipeline.load(PIPELINE, settings), whole)
    measured = ["scores=cascade", f"cascade.measured={whole}"]
    pipeline = Pipeline.load(PIPELINE, [*settings, *measured])
    run(pipeline, cascade)
    assert fates(whole) == fates(cascade), "the cascade keeps or retains other candidates"

    before, after = totals(whole), totals(cascade)
    print(f"{'stage':20} {'rows':>7} {'cascade':>8} {'seconds':>9} {'cascade':>8}")
    for stage in pipeline.stages:
        one, other = before[stage.name()], after[stage.name()]
        print(
            f"{stage.name():20} {one.rows:7,} {other.rows:8,} {one.seconds:9.1f} {other.seconds:8.1f}"
            f"{'   gives up' if stage.name() in pipeline.screens else ''}"
        )
    for name in ("model_seconds", "seconds"):
        spent, spared = (sum(getattr(each, name) for each in run.values()) for run in (before, after))
        print(f"{name}: {spent:.1f} with all scores, {spared:.1f} as a cascade: ratio {spared / spent:.2f}")
    at_equal_cost = sum(each.seconds / each.rows * after[stage].rows for stage, each in before.items())
    spent = sum(each.seconds for each in before.values())
    print(f"seconds, had each row cost the same in both: ratio {at_equal_cost / spent:.2f}")


if __name__ == "__main__":
    main()
