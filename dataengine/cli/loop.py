"""`dataengine loop`: rounds of label, pack, train, evaluate, promote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli.options import AsJson, ClusterAddress, FileOverrides

LoopDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="A loop's directory.")]


def run(
    config: Annotated[Path, typer.Argument(metavar="FILE", help="A loop file (YAML).")],
    overrides: FileOverrides = None,
    address: ClusterAddress = None,
    as_json: AsJson = False,
) -> None:
    """Run a loop, or go on with one that was stopped."""
    from dataengine.commands.loop import run

    run(config, overrides or [], address, as_json)


def status(directory: LoopDirectory, as_json: AsJson = False) -> None:
    """Tell how far a loop is, what its rounds came to, and which separator is promoted."""
    from dataengine.commands.loop import status

    status(directory, as_json)


def report(directory: LoopDirectory) -> None:
    """Write the report page of a loop: DIR/report.html."""
    from dataengine.commands.loop import report

    report(directory)


def rollback(
    directory: LoopDirectory,
    to: Annotated[int, typer.Argument(metavar="ROUND", min=0, help="A promoted round; 0: the start.")],
) -> None:
    """Promote the separator of an earlier round again; further rounds begin with it."""
    from dataengine.commands.loop import rollback

    rollback(directory, to)


def lineage(
    directory: LoopDirectory,
    number: Annotated[
        int | None, typer.Argument(metavar="ROUND", min=0, help="Default: the promoted one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell every recording that shaped a round's separator, with its licence."""
    from dataengine.commands.loop import show_lineage

    show_lineage(directory, number, as_json)
