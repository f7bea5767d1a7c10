"""All that is done only because Ray Data is as it is, in one place. Programs that show it: docs/ray-data.md.

- Blocks are split, merged and reordered: a row is the number of a slice, or a slice as one value.
- One bad row costs its block, and a constructor that raises ends the run: actors do not raise, they answer.
- An execution without progress is ended after half an hour: that guard is off.
- Losing a node may end an execution, though other nodes could go on: `losses` are what a pass may end with.
- Each task costs the driver some 40 ms: `TASKS_A_PASS`.
- Pools that grow and shrink do so in the middle of work, and one that takes the last CPU may starve Ray's own
  tasks: pools have fixed sizes, and `SHARE_OF_CPUS`.
- Threads of an execution outlive it, and end the process when they find Ray gone: `end_executions`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np

MESSAGE = "message"
"""The one column of the rows that pass between groups and to the driver: one row is one slice."""

SHARE_OF_CPUS = 0.9
"""Of the logical CPUs, what the pools take together."""

TASKS_A_PASS = 4096
"""Beyond as many slices, a Ray task gets several."""

SECONDS_TO_END = 60.0
THREADS = ("StreamingExecutor", "iter_threaded")
"""How the names begin of the threads that follow an execution in the driver."""


def slices_for_ray(slices: np.ndarray[Any, Any]) -> Any:
    """A Ray dataset with a row for each of these slices."""
    import ray

    _settle()
    return ray.data.from_items(
        [{MESSAGE: int(number)} for number in slices], override_num_blocks=min(len(slices), TASKS_A_PASS)
    )


def pool_of_actors(
    dataset: Any, actor: type, arguments: tuple[Any, ...], *, workers: int, cpus: float, gpus: float = 0.0
) -> Any:
    """The dataset after a pool of actors of a fixed size, made with these arguments, has seen each row."""
    from ray.data import ActorPoolStrategy

    return dataset.map_batches(
        actor,
        batch_size=1,
        batch_format="numpy",
        compute=ActorPoolStrategy(size=workers),
        num_cpus=cpus,
        num_gpus=gpus or None,
        fn_constructor_args=arguments,
    )


def messages_of(dataset: Any) -> Iterator[str]:
    """What the dataset's actors answer. Whoever stops listening ends the execution, and need not wait for garbage."""
    with closing(iter(dataset.iter_rows())) as rows:
        for row in rows:
            yield row[MESSAGE]


def _settle() -> None:
    """Leave the terminal to our own progress, and patience to `engine.stage_seconds` and `engine.patience_minutes`."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = 0
    if hasattr(context, "execution_no_progress_timeout_s"):  # older versions of Ray have no such guard
        context.execution_no_progress_timeout_s = -1
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)


def losses() -> tuple[type[Exception], ...]:
    """What an execution ends with that has lost an actor or a node, and has not found another by itself."""
    from ray.exceptions import NodeDiedError, ObjectLostError, RayActorError, WorkerCrashedError

    return NodeDiedError, ObjectLostError, RayActorError, WorkerCrashedError


def end_executions() -> None:
    """End the executions that were given up, and wait for their threads; to be called before `ray.shutdown`.

    A thread that asks Ray for something after `ray.shutdown` has the process end at once, with exit code 1 and
    without a word. Ray Data waits two seconds for one of its threads and not at all for the others (2.60).
    """
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(THREADS)]
    for thread in threads:
        if hasattr(thread, "shutdown"):  # the execution itself, which the others follow
            thread.shutdown(force=True)
    deadline = time.monotonic() + SECONDS_TO_END
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
