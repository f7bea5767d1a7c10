"""Commands about recordings: fetch some, find one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli.options import AsJson


def demo_data(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to build in; default: data/demo, or data/labelled."),
    ] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option("--split", help="A split of the catalogue; default: pool, calibrate and gate."),
    ] = None,
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Labelled clips and rendered music to train from, no scenes.")
    ] = False,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Scenes of each split (default: 440, 400 and 100), or pieces of music."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives other scenes.")] = 0,
    recordings: Annotated[
        Path | None, typer.Option(help="Where downloaded clips are kept; default: beside the folder.")
    ] = None,
) -> None:
    """Fetch real recordings from Debian packages and build scenes of them, with their truth beside them."""
    from dataengine.commands.demo_data import demo_data, labelled_data

    if labelled:
        labelled_data(out or Path("data/labelled"), splits or ["seed"], count, recordings)
    else:
        demo_data(out or Path("data/demo"), splits or [], count, seed, recordings)


def index(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="Files, folders or URLs.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="MANIFEST", help="The manifest to write.")],
    window_seconds: Annotated[float, typer.Option(help="Length of a window.")] = 10.0,
    minimum_seconds: Annotated[float, typer.Option(help="Shorter ends of recordings are left out.")] = 1.0,
    metadata: Annotated[
        str | None, typer.Option(help="CSV or Parquet with columns of your own, by `uri` or `file_name`.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of recordings whose metadata names none.")
    ] = None,
    stems: Annotated[
        bool, typer.Option("--stems", help="A folder is a track, its files are stems; see docs/stems.md.")
    ] = False,
    never_train: Annotated[
        str | None, typer.Option(metavar="LIST", help="Fingerprints of recordings to mark: benchmarks.")
    ] = None,
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="Store fingerprints, to make such a list.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find recordings and cut them into windows: the manifest."""
    from dataengine.commands.index import index
    from manifests.indexing import IndexOptions

    options = IndexOptions(
        window_seconds, minimum_seconds, metadata, licence, never_train, stems, fingerprint, workers
    )
    index(sources, out, options, as_json)
