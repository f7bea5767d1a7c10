"""Work on files in processes that may die: one file that crashes or stalls a decoder costs only itself."""

from __future__ import annotations

import os
import resource
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

FILES_A_TASK = 32
TASKS_AHEAD = 8
"""Tasks a worker that wait to be done or fetched; bounds what a list of any length holds in memory."""
TIME_LIMIT_SECONDS = 600.0
MEMORY_LIMIT_BYTES = 8 * 2**30
"""Address space of a worker."""


class WorkerLostError(Exception):
    """A worker died over a file, or did not come to an end with it."""


class DecoderCrashedError(WorkerLostError):
    """The process died."""


class DecoderStalledError(WorkerLostError):
    """The time limit passed."""


def map_files(
    work: Callable[[Sequence[str]], Result],
    files: Sequence[str],
    lost: Callable[[str, WorkerLostError], Result],
    workers: int | None = None,
    time_limit: float = TIME_LIMIT_SECONDS,
    preload: Sequence[str] = (),
) -> Iterator[Result]:
    """Results of `work` on the files, a few files at a time, in the order of the files.

    `work` runs in other processes (a function that can be imported). When a task of several files loses
    its worker or takes longer than `time_limit` seconds, its files are tried one by one; a file that does
    so alone gives `lost(file, why)` instead. `workers` defaults to the number of cores; `preload` names
    modules that all of them share. What `work` raises is raised here.
    """
    import multiprocessing

    from pebble import ProcessPool

    workers = workers or len(os.sched_getaffinity(0))
    size = max(1, min(FILES_A_TASK, len(files) // (workers * 4)))
    tasks = (files[start : start + size] for start in range(0, len(files), size))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    with ProcessPool(workers, context=context, initializer=_limit_memory) as pool:

        def submit(task: Sequence[str]) -> Future[Result]:
            future: Future[Result] = pool.schedule(work, args=(task,), timeout=time_limit)
            return future

        try:
            waiting: deque[tuple[Sequence[str], Future[Result]]] = deque()
            for task in tasks:
                waiting.append((task, submit(task)))
                if len(waiting) >= workers * TASKS_AHEAD:
                    yield from _results(*waiting.popleft(), submit, lost)
            while waiting:
                yield from _results(*waiting.popleft(), submit, lost)
        except BaseException:
            pool.stop()  # type: ignore[no-untyped-call]
            raise


def _results(
    files: Sequence[str],
    future: Future[Result],
    submit: Callable[[Sequence[str]], Future[Result]],
    lost: Callable[[str, WorkerLostError], Result],
) -> Iterator[Result]:
    from pebble import ProcessExpired

    try:
        yield future.result()
        return
    except ProcessExpired as error:
        why: WorkerLostError = DecoderCrashedError(f"it took its process down (exit code {error.exitcode})")
    except TimeoutError:
        why = DecoderStalledError("it was not done with within the time limit")
    if len(files) == 1:
        yield lost(files[0], why)
        return
    for alone in [([file], submit([file])) for file in files]:
        yield from _results(*alone, submit, lost)


def _limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_LIMIT_BYTES if hard == resource.RLIM_INFINITY else min(hard, MEMORY_LIMIT_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
