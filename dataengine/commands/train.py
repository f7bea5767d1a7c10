"""`dataengine train`."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

from dataengine.commands.run import engine_errors
from dataengine.engine.cluster import messages_to
from dataengine.errors import UserError
from manifests.progress import Progress
from trainer.training.checkpoint import checkpoints_in, step_of
from trainer.training.configuration import TrainConfig
from trainer.training.distributed import joined
from trainer.training.folder import CHECKPOINTS_FOLDER, RAY_FOLDER
from trainer.training.log import StepReport
from trainer.training.loop import train
from trainer.training.on_ray import train_on_ray
from trainer.training.report import write_training_report
from trainer.training.utilisation import Work

RECENT_STEPS = 50


def train_command(
    path: Path, out: Path, overrides: Sequence[str], workers: int | None, address: str | None, as_json: bool
) -> None:
    """Train as the file says and print what came of it: here, under `torchrun`, or in workers of a Ray cluster."""
    config = TrainConfig.load(path, overrides)
    recent: deque[StepReport] = deque(maxlen=RECENT_STEPS)
    if workers:
        with (
            engine_errors(),
            messages_to(out / RAY_FOLDER / "output.txt") as terminal,
            _shown(config, out, recent, Console(file=terminal)) as on_step,
        ):
            train_on_ray(config, out, workers, address, terminal, on_step)
    elif address:
        raise UserError(
            "how many of the cluster's workers shall train? Say so with --workers 4",
            where=f"--address {address}",
        )
    else:
        with joined() as world:
            if not world.leads:  # one process speaks for all
                train(config, out, world)
                return
            with _shown(config, out, recent, Console(stderr=True)) as on_step:
                train(config, out, world, on_step)
    summary = _summary(recent, Work.read(out), checkpoints_in(out / CHECKPOINTS_FOLDER)[-1])
    summary["report"] = str(write_training_report(out))
    if as_json:
        print(json.dumps(summary))
    else:
        Console().print(_table(summary))


@contextmanager
def _shown(
    config: TrainConfig, out: Path, recent: deque[StepReport], console: Console
) -> Iterator[Callable[[StepReport], None]]:
    """Draws the progress of the steps that it is told of, and keeps the last ones."""
    before = checkpoints_in(out / CHECKPOINTS_FOLDER)[-1:]
    done = step_of(before[0]) if before else 0
    with Progress(
        "Training", total=config.steps, unit="steps", done_before=done, console=console
    ) as progress:

        def on_step(report: StepReport) -> None:
            recent.append(report)
            progress.update(report.step + 1, _figures(recent, Work.read(out)))
            if (
                report.step > done and report.step % config.checkpoints.every == 0
            ):  # the last one was validated
                write_training_report(out)

        yield on_step


def _figures(recent: Sequence[StepReport], work: Work | None) -> str:
    """What is said beside the bar."""
    seconds = sum(report.seconds for report in recent)
    said = [f"loss {fmean(report.loss for report in recent):.4f}"]
    if work:
        said.append(f"{work.frames * len(recent) / seconds:,.0f} frames/s")
        said.append(f"{work.utilisation(len(recent) / seconds):.0%} of the matmul peak")
    said.append(f"{sum(report.waited for report in recent) / seconds:.1%} waiting for data")
    return ", ".join(said)


def _summary(recent: Sequence[StepReport], work: Work | None, checkpoint: Path) -> dict[str, object]:
    """The figures of the last steps; none of them if there was nothing left to do."""
    figures: dict[str, object] = {"checkpoint": str(checkpoint)}
    if recent:
        seconds = sum(report.seconds for report in recent)
        figures |= {
            "steps": recent[-1].step + 1,
            "loss": fmean(report.loss for report in recent),
            "steps_a_second": len(recent) / seconds,
            "frames_a_second": work.frames * len(recent) / seconds if work else None,
            "utilisation": work.utilisation(len(recent) / seconds) if work else None,
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
