"""`dataengine report`."""

from __future__ import annotations

from pathlib import Path

from dataengine.report.page import write_report
from trainer.training.folder import CONFIG_FILE


def report(place: str, examples: int, seed: int) -> None:
    """Write the report of a labelling run or a training run and print where it is. Raises UserError."""
    if (Path(place) / CONFIG_FILE).is_file():
        from trainer.training.report import write_training_report

        print(write_training_report(Path(place)))
    else:
        print(write_report(place, examples=examples, seed=seed))
