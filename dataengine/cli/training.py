"""Commands about separators: train one, use one, measure one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli.options import AsJson, FileOverrides


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A training file (YAML).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for checkpoints and the log.")],
    overrides: FileOverrides = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Train in so many workers of a Ray cluster.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of that cluster; default: one on this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a separator from shards; the same command goes on where it stopped."""
    from dataengine.commands.train import train_command

    train_command(config, out, overrides or [], workers, address, as_json)


def separate(
    recording: Annotated[str, typer.Argument(metavar="FILE", help="A recording: a path or URL.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for target.wav and residual.wav.")],
    text: Annotated[str | None, typer.Option(help="What to take out: 'dog barking'.")] = None,
    span: Annotated[
        list[str] | None, typer.Option(metavar="START,END", help="Seconds in which it sounds.")
    ] = None,
    predict_spans: Annotated[
        bool, typer.Option("--predict-spans", help="Find out when it sounds, and tell the separator.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Write only what is left without it.")] = False,
    separator: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|ID", help="What `train` wrote, or a model on the hub; default: the bundled one."
        ),
    ] = "seed",
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; default: the separator's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise that the flow starts from.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Take a sound out of a recording: target and what is left, which add up to it if the separator's codec allows."""
    from dataengine.commands.separate import separate

    separate(recording, out, text, span or [], predict_spans, remove, separator, steps, seed, as_json)


def evaluate(
    separator: Annotated[
        str,
        typer.Argument(
            metavar="[SEPARATOR]", help="A folder that `train` wrote, or a profile; default: the bundled one."
        ),
    ] = "seed",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for eval.json, report.html and answers.")
    ] = Path("runs/eval"),
    against: Annotated[
        str | None, typer.Option(metavar="OTHER", help="Another separator, to tell which wins more often.")
    ] = None,
    benchmark: Annotated[
        str, typer.Option(metavar="embedded|FILE", help="Or a Parquet file in the format of sam-audio-bench.")
    ] = "embedded",
    split: Annotated[str, typer.Option(help="Of the embedded benchmark: gate, or final.")] = "gate",
    reporting: Annotated[
        bool,
        typer.Option("--reporting", help="Opens split final: its figures are reported, and choose nothing."),
    ] = False,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="TASK,…",
            help="speech, speaker, music, instrument-wild, instrument-pro, sound; default: all.",
        ),
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(metavar="KIND,…", help="text, span, visual; default: all that apply.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Questions of each task and kind of prompt, at most.")
    ] = 50,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the embedded benchmark is built.")
    ] = Path("data/benchmark"),
    media: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The recordings of a benchmark in a file.")
    ] = None,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out what recordings are not there for.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a separator on a benchmark, beside baselines: six tasks by text and spans. Goes on where it stopped."""
    from dataengine.commands.eval import Asking, evaluate

    asking = Asking(benchmark, split, reporting, tasks, prompts, limit, data, media, skip_missing)
    evaluate(separator, against, asking, out, as_json)
