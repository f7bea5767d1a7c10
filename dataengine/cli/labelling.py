"""Commands about runs of a pipeline: start one, look at it, decide anew what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli.options import (
    AsJson,
    ClusterAddress,
    CommercialOnly,
    Overrides,
    PipelineFile,
    RunDirectory,
    StageSources,
)


def run(
    pipeline: PipelineFile,
    run_dir: Annotated[
        str | None, typer.Option(metavar="RUN", help="Path or URL of the run; default: runs/PIPELINE.")
    ] = None,
    overrides: Overrides = None,
    stages: StageSources = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Label about this many windows now.")] = None,
    max_failed: Annotated[
        float | None,
        typer.Option(min=0, help="Stop when more windows fail: a count, or below 1 a share of those done."),
    ] = None,
    address: ClusterAddress = None,
    fork: Annotated[
        str | None,
        typer.Option(metavar="OLD_RUN", help="Take over from an earlier run what a changed pipeline leaves."),
    ] = None,
    delta: Annotated[
        str | None,
        typer.Option(
            metavar="OLD_RUN", help="With another model: label again only what is likely to flip since a run."
        ),
    ] = None,
    delta_margin: Annotated[
        float | None,
        typer.Option(min=0, help="With --delta: how far a score may move, in interquartile ranges of it."),
    ] = None,
    commercial_only: CommercialOnly = False,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline, or go on with a run that was stopped."""
    from dataengine.commands.run import run

    limits = [] if max_failed is None else [f"engine.max_failed={max_failed!r}"]
    laid = [*(overrides or []), *limits], stages or []
    run(pipeline, run_dir, *laid, limit, address, fork, delta, delta_margin, commercial_only, as_json)


def retry(
    run_dir: RunDirectory,
    stages: StageSources = None,
    address: ClusterAddress = None,
    as_json: AsJson = False,
) -> None:
    """Try again what failed in a run, once the cause is mended."""
    from dataengine.commands.retry import retry

    retry(run_dir, stages or [], address, as_json)


def status(run_dir: RunDirectory, as_json: AsJson = False) -> None:
    """Tell how far a run is."""
    from dataengine.commands.status import status

    status(run_dir, as_json)


def show(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE_ID", help="An id, or how it begins.")],
    run_dir: Annotated[str, typer.Option(metavar="RUN", help="The run it is from: a path or URL.")],
    play_to: Annotated[
        Path | None, typer.Option(metavar="FILE|FOLDER", help="Write its stems: .wav, .flac or a folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell everything that is known of a sample: scores against thresholds, verdict, where its audio lies."""
    from dataengine.commands.show import show

    show(sample, run_dir, play_to, as_json)


def report(
    run_dir: RunDirectory,
    examples: Annotated[int, typer.Option(min=0, help="Samples to listen to in each group.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the draw of samples to listen to.")] = 0,
) -> None:
    """Write the report page of a run: RUN/report.html."""
    from dataengine.commands.report import report

    report(run_dir, examples, seed)


def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="A finished run: a path or URL.")],
    second: Annotated[str, typer.Argument(metavar="OTHER_RUN", help="Another of the same windows.")],
    tolerance: Annotated[
        float, typer.Option(min=0, help="What a score may differ by, relative to itself and 1.")
    ] = 1e-4,
    as_json: AsJson = False,
) -> None:
    """Tell where two runs of the same windows differ: scores, verdicts that flipped and why. Exit code 1 if they do."""
    from dataengine.commands.compare import compare_runs

    compare_runs(first, second, tolerance, as_json)


def select(
    run_dir: RunDirectory,
    filters: Annotated[Path, typer.Option(metavar="FILE", help="A filter file, as in conf/filters/.")],
    name: Annotated[
        str | None, typer.Option(help="Of the selection; default: the filter file's name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide anew what a run keeps, from its stored scores, and pack that: RUN/selections/NAME/."""
    from dataengine.commands.select import select

    select(run_dir, filters, name, as_json)


def calibrate(
    run_dir: Annotated[str, typer.Argument(metavar="RUN", help="A run whose candidates are labelled.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Filter file to write.")],
    truth: Annotated[
        list[Path] | None,
        typer.Option(metavar="TABLE", help="What its scenes hold: the table `demo-data` wrote."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="CSV or Parquet of your own: sample_id, right."),
    ] = None,
    criteria: Annotated[
        Path | None,
        typer.Option(help="Filter file that names scores, directions and conditions; default: the old OUT."),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(metavar="SCORE,…", help="Scores whose thresholds may move; default: all."),
    ] = None,
    precision: Annotated[float, typer.Option(min=0.0, max=0.999, help="Least share of right labels.")] = 0.9,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Of the lower bound on that share.")
    ] = 0.95,
    as_json: AsJson = False,
) -> None:
    """Choose a filter's thresholds from labelled candidates: most yield at the precision you ask for."""
    from dataengine.commands.calibrate import Labels, calibrate
    from dataengine.evaluation.calibration import Goal

    moved = [each.strip() for each in scores.split(",")] if scores else []
    goal = Goal(precision, confidence)
    calibrate(run_dir, Labels(tuple(truth or ()), labels), out, criteria, moved, goal, as_json)
