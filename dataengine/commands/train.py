"""`dataengine train`."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

from manifests.progress import Progress
from trainer.training.configuration import TrainConfig
from trainer.training.distributed import joined
from trainer.training.loop import StepReport, train

RECENT_STEPS = 50


def train_command(path: Path, out: Path, overrides: Sequence[str], as_json: bool) -> None:
    """Train as the file says and print what came of it; under `torchrun`, one process speaks for all."""
    config = TrainConfig.load(path, overrides)
    recent: deque[StepReport] = deque(maxlen=RECENT_STEPS)
    with joined() as world:
        if not world.leads:
            train(config, out, world)
            return
        with Progress("Training", total=config.steps, unit="steps") as progress:

            def on_step(report: StepReport) -> None:
                recent.append(report)
                progress.update(report.step + 1, f"loss {fmean(each.loss for each in recent):.4f}")

            checkpoint = train(config, out, world, on_step)
    summary = _summary(recent, checkpoint)
    if as_json:
        print(json.dumps(summary))
    else:
        Console().print(_table(summary))


def _summary(recent: Sequence[StepReport], checkpoint: Path) -> dict[str, object]:
    """The figures of the last steps; none of them if there was nothing left to do."""
    figures: dict[str, object] = {"checkpoint": str(checkpoint)}
    if recent:
        seconds = sum(report.seconds for report in recent)
        figures |= {
            "steps": recent[-1].step + 1,
            "loss": fmean(report.loss for report in recent),
            "steps_a_second": len(recent) / seconds,
            "data_wait_share": sum(report.waited for report in recent) / seconds,
            "skipped": sum(report.skipped is not None for report in recent),
        }
    return figures


def _table(summary: dict[str, object]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in summary.items():
        table.add_row(name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))
    return table
