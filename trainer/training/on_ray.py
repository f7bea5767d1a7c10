"""Training as a Ray Train job: the same loop in the workers of a cluster, which are replaced where they are lost.

Shards and the training folder must lie where every node sees them under the same path.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

from dataengine.engine.cluster import cluster
from dataengine.engine.workers import forwarded_environment
from dataengine.errors import EngineError, UserError
from trainer.training.configuration import TrainConfig
from trainer.training.folder import LOG_FILE, RAY_FOLDER
from trainer.training.log import StepReport

LOSSES_FORGIVEN = 3
"""How often lost workers are replaced; training goes on from the last checkpoint."""
SECONDS_BETWEEN_LOOKS = 0.5


def train_on_ray(
    config: TrainConfig,
    out: Path,
    workers: int,
    address: str | None,
    terminal: TextIO,
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> None:
    """Train as `trainer.training.loop.train` does, in so many workers; each takes a GPU where the cluster has them.

    `address` is that of a Ray cluster; without one, Ray is started on this machine. `terminal` is told why the process
    ends if the cluster is lost.

    Raises:
        UserError: nothing to train on, another run in the folder, or fewer processors than workers.
        EngineError: the job failed.
    """
    out = out.absolute()
    with cluster(address, terminal) as size:
        gpus = size.gpus >= 1
        there = size.gpus if gpus else size.cpus
        if workers > there:
            raise UserError(f"the cluster has {there:g} {'GPUs' if gpus else 'CPUs'} for {workers} workers")
        with _following(out / LOG_FILE, on_step):
            _fit(config, out, workers, gpus)


def _fit(config: TrainConfig, out: Path, workers: int, gpus: bool) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    job = TorchTrainer(
        _work,
        train_loop_config={
            "config": config.model_dump_json(),
            "out": str(out),
            "environment": forwarded_environment(),
        },
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus),
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        run_config=RunConfig(
            name="job",
            storage_path=str(out / RAY_FOLDER),
            failure_config=FailureConfig(max_failures=LOSSES_FORGIVEN),
        ),
    )
    try:
        job.fit()
    except TrainingFailedError as error:
        first = next(iter(getattr(error, "worker_failures", {}).values()), error)
        if isinstance(first, UserError):
            raise first from None
        raise EngineError(
            f"training failed: {first}; what its workers printed lies in {out / RAY_FOLDER}"
        ) from error


def _work(given: dict[str, Any]) -> None:
    """What each worker does."""
    os.environ.update(given["environment"])
    from trainer.training.distributed import joined
    from trainer.training.loop import train

    with joined() as world:
        train(TrainConfig.model_validate_json(given["config"]), Path(given["out"]), world)


@contextmanager
def _following(log: Path, on_step: Callable[[StepReport], None]) -> Iterator[None]:
    """Tell of the steps that workers add to the log from now on."""
    done = threading.Event()
    thread = threading.Thread(target=_follow, args=(log, on_step, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _follow(log: Path, on_step: Callable[[StepReport], None], done: threading.Event) -> None:
    position, over = log.stat().st_size if log.exists() else 0, False
    while not over:
        over = done.wait(SECONDS_BETWEEN_LOOKS)
        for line in _lines_from(log, position):
            position += len(line)
            written = json.loads(line)
            on_step(StepReport(**{each.name: written[each.name] for each in fields(StepReport)}))


def _lines_from(log: Path, position: int) -> list[bytes]:
    """Whole lines behind a position. None where the log has become shorter: it goes on from a checkpoint."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(position)
        return [line for line in file if line.endswith(b"\n")]
