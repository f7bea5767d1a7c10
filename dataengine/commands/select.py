"""`dataengine select`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from manifests.progress import Progress

if TYPE_CHECKING:
    from dataengine.selection import Selection


def select(run_dir: str, filter_file: Path, name: str | None, as_json: bool) -> None:
    """Decide anew what a run keeps, pack it, and print what came of it. Raises UserError."""
    from dataengine.selection import select as select_samples  # the engine takes a second to import

    with ExitStack() as shown:
        bars: dict[str, Progress] = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = shown.enter_context(Progress(what, total=total, unit="files"))
            bars[what].update(done)

        selection = select_samples(run_dir, filter_file, name, on_progress)
    if as_json:
        print(json.dumps(asdict(selection), indent=2))
    else:
        Console().print(_table(selection))


def _table(selection: Selection) -> Table:
    tally, results = selection.tally, selection.results
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column()
    table.add_row("candidates", f"{tally.candidates:,}", "")
    table.add_row("kept", f"[green]{tally.kept:,}", f"{tally.gained:,} gained and {tally.lost:,} lost")
    if tally.no_audio:
        advice = "pass, but their audio was not stored: run again with a looser `retain:` to have them"
        table.add_row("no audio", f"[yellow]{tally.no_audio:,}", advice)
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in results.left_out.items())
    table.add_row("packed", f"{results.packed:,}", f"left out: {left_out}" if left_out else "")
    table.add_row("shards", f"{len(results.shards):,}", f"{results.shard_bytes / 1e6:.1f} MB")
    table.add_row("selection", "", selection.folder)
    return table
