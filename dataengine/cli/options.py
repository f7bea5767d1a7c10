"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline file (YAML).")]
RunDirectory = Annotated[str, typer.Argument(metavar="RUN", help="A run directory: a path or URL.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: --set stages.caption.max_prompts=2"),
]
FileOverrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the file, with dots between keys."),
]
StageSources = Annotated[
    list[str] | None,
    typer.Option("--stages", metavar="FILE|MODULE", help="Python file or module with stages of your own."),
]
ClusterAddress = Annotated[
    str | None,
    typer.Option("--address", help="A Ray cluster, or local; default: RAY_ADDRESS, else this machine."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CommercialOnly = Annotated[
    bool, typer.Option("--commercial-only", help="Refuse models whose licence does not allow commercial use.")
]
