"""`dataengine demo-data`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from manifests.catalogue.demo import DemoSplit, make_demo_data
from manifests.catalogue.labelled import LabelledSplit, make_labelled


def demo_data(
    out: Path, splits: Sequence[str], count: int | None, seed: int, recordings: Path | None
) -> None:
    """Fetch real recordings, build scenes of them, and print where they are. Raises UserError."""
    demos = make_demo_data(out, splits=tuple(splits), count=count, seed=seed, recordings=recordings)
    Console().print(_table(demos))


def labelled_data(out: Path, splits: Sequence[str], pieces: int | None, recordings: Path | None) -> None:
    """Fetch labelled clips, render music with a stem an instrument, and print where they are. Raises UserError."""
    found = make_labelled(out, splits, pieces=pieces, recordings=recordings)
    Console().print(_labelled_table(found))


def _labelled_table(found: Sequence[LabelledSplit]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("split", "clips", "held out", "music"):
        table.add_column(name, overflow="fold")
    for split in found:
        table.add_row(split.split, str(split.clips), str(split.held_out), str(split.stems))
    return table


def _table(demos: Sequence[DemoSplit]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("split")
    table.add_column("scenes", justify="right")
    table.add_column("audio")
    table.add_column("truth")
    for demo in demos:
        table.add_row(demo.split, f"{demo.count:,}", f"{demo.scenes}/", str(demo.truth))
    return table
