"""`dataengine index`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from manifests.indexing import IndexOptions, IndexSummary
from manifests.indexing import index as index_recordings


def index(sources: Sequence[str], out: str, options: IndexOptions, as_json: bool) -> None:
    """Index recordings and print what was found. Raises UserError."""
    summary = index_recordings(sources, out, options)
    if as_json:
        print(json.dumps(asdict(summary), indent=2))
    else:
        Console().print(_table(summary))


def _table(summary: IndexSummary) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column()
    passed_over = f"{summary.skipped:,} others passed over" if summary.skipped else ""
    table.add_row("files", f"{summary.files:,}", passed_over)
    copies = f"{summary.copies:,} copies of the same content" if summary.copies else ""
    table.add_row("recordings", f"{summary.recordings:,}", copies)
    left_out = (
        f", {summary.hours_left_out * 3600:,.1f} s of short ends left out"
        if summary.hours_left_out > 1e-6
        else ""
    )
    table.add_row("windows", f"[green]{summary.windows:,}", f"{summary.hours:,.2f} h{left_out}")
    if summary.with_video:
        table.add_row("with video", f"{summary.with_video:,}", "")
    if summary.never_train:
        table.add_row("never train", f"{summary.never_train:,}", "on the list of fingerprints")
    if summary.without_licence:
        table.add_row("no licence", f"{summary.without_licence:,}", "name one with --licence or --metadata")
    if summary.metadata_unmatched:
        table.add_row("metadata", f"[yellow]{summary.metadata_unmatched:,}", "rows fit no file")
    for reason, count in summary.unreadable.most_common():
        table.add_row("without windows", f"[red]{count:,}", reason)
    rate = f"{summary.files / summary.seconds:,.0f} files/s" if summary.seconds else ""
    table.add_row("time", f"{summary.seconds:,.1f} s", rate)
    table.add_row("manifest", "", summary.manifest)
    return table
