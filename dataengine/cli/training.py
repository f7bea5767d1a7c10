"""Commands about separators: train one, use one."""

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
    """Take a sound out of a recording: target and what is left, which add up to it."""
    from dataengine.commands.separate import separate

    separate(recording, out, text, span or [], remove, separator, steps, seed, as_json)
