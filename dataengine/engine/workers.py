"""What runs inside Ray's actors: handing slices to the process that does a group's work."""

from __future__ import annotations

import os
from typing import Any

from dataengine.engine.ray_data import MESSAGE
from dataengine.engine.settings import EngineSettings
from dataengine.engine.supervision import Limits, SupervisedWorker, memory_share

FORWARDED = ("DATAENGINE_MIRROR", "HF_HOME", "HF_HUB_CACHE")
"""Environment variables that say where weights lie: what holds for the driver holds for workers on other nodes."""


def forwarded_environment() -> dict[str, str]:
    """What workers are to find in their environment because the driver has it there.

    Ray could forward it (`runtime_env`), but starts Ray once more in each worker to do so.
    """
    return {name: os.environ[name] for name in FORWARDED if name in os.environ}


class GroupActor:
    """One worker of a group; Ray Data makes as many as the pool has, and again when one is lost."""

    def __init__(
        self,
        work: bytes,
        last: bool,
        cpus: float,
        settings: EngineSettings,
        deterministic: bool,
        environment: dict[str, str],
        python: str | None,
    ) -> None:
        """Take on a pickled `GroupWork`.

        `cpus` are the logical CPUs that the worker was given, or 0 for one that works on a GPU: its memory
        is bounded only if the settings say so. `environment` is what `forwarded_environment` said to the driver;
        `python` is the group's interpreter, where it has an environment of its own.
        """
        memory = memory_share(min(1.0, cpus / (os.cpu_count() or 1)))
        if settings.worker_memory_gigabytes is not None:
            memory = int(settings.worker_memory_gigabytes * 1e9)
        limits = Limits(settings.stage_seconds, memory, deterministic, environment, python)
        self._worker = SupervisedWorker(work, last, limits)

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[Any]]:
        """Work on one slice: `rows` holds one message, and so does the answer."""
        (message,) = rows[MESSAGE]
        return {MESSAGE: [self._worker.do(message if isinstance(message, bytes) else int(message))]}
