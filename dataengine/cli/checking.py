"""Commands that check before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli.options import AsJson, CommercialOnly, Overrides, PipelineFile, StageSources


def validate(
    pipeline: PipelineFile,
    overrides: Overrides = None,
    stages: StageSources = None,
    commercial_only: CommercialOnly = False,
    as_json: AsJson = False,
) -> None:
    """Check a pipeline file whole, without starting anything."""
    from dataengine.commands.validate import validate

    validate(pipeline, overrides or [], stages or [], commercial_only, as_json)


def plan(
    pipeline: PipelineFile,
    overrides: Overrides = None,
    stages: StageSources = None,
    probe: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Run N windows here, to say how long it takes.")
    ] = None,
    measured: Annotated[
        str | None, typer.Option(metavar="RUN", help="Take what it costs from a run done before.")
    ] = None,
    units: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="As if there were N windows; default: the input's.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Say what it takes on a cluster of so many nodes.")
    ] = None,
    cpus_per_node: Annotated[
        float | None, typer.Option(min=1, help="Of the cluster; default: as many as here.")
    ] = None,
    gpus_per_node: Annotated[
        float | None, typer.Option(min=0, help="Of the cluster; default: one, if a stage needs it.")
    ] = None,
    commercial_only: CommercialOnly = False,
    as_json: AsJson = False,
) -> None:
    """Tell what a run would do: worker groups, slices, expected work; here or on a cluster."""
    from dataengine.commands.plan import ClusterShape, PipelineArguments, plan

    given = PipelineArguments(pipeline, overrides or [], stages or [])
    shape = ClusterShape(nodes, cpus_per_node, gpus_per_node)
    plan(given, probe, measured, units, shape, commercial_only, as_json)


def check_stage(
    stage: Annotated[
        str, typer.Argument(metavar="STAGE", help="A stage's name, FILE.py:Class or MODULE:Class.")
    ],
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the stage.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Recordings to try it on; default: the pipeline's input.")
    ] = None,
    pipeline: Annotated[
        Path | None,
        typer.Option(help="Its stages write what the stage reads; default: the built-in one."),
    ] = None,
    windows: Annotated[int, typer.Option(min=2, help="Windows to try it on.")] = 6,
    as_json: AsJson = False,
) -> None:
    """Try a stage on real rows: does it keep the contract of stages?"""
    from dataengine.commands.check_stage import check_stage

    check_stage(stage, parameters or [], manifest, pipeline, windows, as_json)
