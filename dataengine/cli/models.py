"""`dataengine models`: the models of a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli.options import AsJson

ProfileName = Annotated[str, typer.Argument(help="Name of a profile, or path to a profile file.")]


def list_(profile: ProfileName = "embedded", as_json: AsJson = False) -> None:
    """Role, adapter, licence, and where the weights are; and what else could be used."""
    from dataengine.commands.models import list_models

    list_models(profile, as_json)


def fetch(
    profile: ProfileName,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A mirror to carry along; default: the Hugging Face hub's own cache."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download the weights of a profile from the Hugging Face hub."""
    from dataengine.commands.models import fetch_models

    fetch_models(profile, to, as_json)
