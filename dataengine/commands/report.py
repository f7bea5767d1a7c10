"""`dataengine report`."""

from __future__ import annotations

from dataengine.report.page import write_report


def report(run_dir: str, examples: int, seed: int) -> None:
    """Write a run's report and print where it is. Raises UserError."""
    print(write_report(run_dir, examples=examples, seed=seed))
