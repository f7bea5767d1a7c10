"""`dataengine retry`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console

from dataengine.commands.run import engine_errors, summary_table
from dataengine.stopping import on_sigterm, stop_at_once

if TYPE_CHECKING:
    from dataengine.retry import Retried


def retry(run_dir: str, stage_sources: Sequence[str], address: str | None, as_json: bool) -> None:
    """Try again what failed in a run, write its report, and print what came of it."""
    with engine_errors(), on_sigterm(stop_at_once):
        from dataengine.report.page import write_report  # the engine takes a second to import
        from dataengine.retry import retry as retry_run

        retried = retry_run(run_dir, stage_sources, address)
        page = write_report(retried.summary.run_dir)
    if as_json:
        print(json.dumps(asdict(retried), indent=2))
        return
    Console().print(summary_table(retried.summary, page))
    print(_in_words(retried))


def _in_words(retried: Retried) -> str:
    words = [f"{retried.tried:,} windows were tried again; {retried.still_failed:,} still have failures."]
    if not retried.tried:
        words = ["Nothing has failed that could be tried again."]
    if retried.unreadable:
        words.append(
            f"{retried.unreadable:,} could not be read when they were indexed and were not tried: once the files "
            "are mended, index them and run on the new manifest."
        )
    return " ".join(words)
