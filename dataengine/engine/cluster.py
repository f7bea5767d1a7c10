"""Ray: starting it on this machine, or joining a cluster."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from dataengine.engine.head import connect, leave_time_to_speak, watched_head
from dataengine.engine.ray_data import end_executions
from dataengine.errors import EngineError, HeadLostError, StoppedError, UserError

OBJECT_STORE_BYTES = 512 * 1024 * 1024
"""Enough for what passes between groups on one machine; Ray spills to disk beyond it."""

HERE = "local"
"""The address of this machine alone, whatever `RAY_ADDRESS` says; as Ray itself calls it."""
TOO_SLOW = "timed out during startup"
STARTS = 4
"""How often Ray is started on this machine before it is given up: it waits half a minute for its own processes, and
where others are at work they may take longer."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClusterSize:
    """Logical resources of the whole cluster."""

    cpus: float
    gpus: float


def cluster_elsewhere(address: str | None) -> str | None:
    """Where the cluster is that `cluster` joins; None if it starts one on this machine."""
    place = address or os.environ.get("RAY_ADDRESS")
    return place if place != HERE else None


@contextmanager
def cluster(address: str | None, terminal: TextIO) -> Iterator[ClusterSize]:
    """Ray, joined at `address` (or `RAY_ADDRESS`), else started here and stopped on leaving; `HERE` starts it.

    Where the block does not end although the cluster's head is lost, the process does, with a line to `terminal`.

    Raises:
        UserError: there is no cluster at the address.
        EngineError: Ray does not start here.
        HeadLostError: in the block, of the main thread: the cluster's head is lost.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    elsewhere = cluster_elsewhere(address)
    if elsewhere:
        leave_time_to_speak()
    import ray

    with ExitStack() as leaving:
        if not ray.is_initialized():
            with _signals_kept():
                _join(elsewhere) if elsewhere else _start()
            leaving.callback(ray.shutdown)
            leaving.callback(end_executions)
        total = ray.cluster_resources()  # type: ignore[no-untyped-call]
        try:
            with watched_head(ray.get_runtime_context().gcs_address, terminal):
                yield ClusterSize(total.get("CPU", 0.0), total.get("GPU", 0.0))
        except HeadLostError:
            leaving.pop_all()  # it would wait for the head
            raise


@contextmanager
def messages_to(path: Path) -> Iterator[TextIO]:
    """Send to a file what libraries print; yields the terminal's standard error, for our own progress.

    Ray prints past every logger, on both streams, into the middle of a progress bar and of `--json`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _flush_streams()
    output, errors = os.dup(1), os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        with os.fdopen(errors, "w", buffering=1, closefd=False) as terminal:
            yield terminal
    finally:
        _flush_streams()
        for descriptor, saved in ((1, output), (2, errors)):
            os.dup2(saved, descriptor)
            os.close(saved)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Give SIGTERM back to whoever handled it before the block: Ray takes it, to exit with a code of its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:  # it came meanwhile
        if callable(before):
            before(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # what cannot be printed, on a full disk, is no reason to fail
            stream.flush()


def _join(address: str) -> None:
    import ray

    _check_reachable(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        if "AuthToken" in str(error.__cause__):
            raise UserError(
                f"the Ray cluster at {address} wants a token that it was not given; set RAY_AUTH_MODE=token, and "
                "RAY_AUTH_TOKEN to the cluster's token unless ~/.ray/auth_token has it"
            ) from None
        raise UserError(
            f"no Ray cluster answers at {address} ({error}); start one or leave --address out"
        ) from None


def _start() -> None:
    import ray

    for number in range(1, STARTS + 1):
        try:
            ray.init(
                address=HERE,  # else Ray would join whatever cluster runs on this machine
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except StoppedError:
            raise
        except Exception as error:  # Ray has no type of its own for this
            why = " ".join(str(error).split())
            if number == STARTS or TOO_SLOW not in why:
                raise EngineError(f"Ray could not be started on this machine: {why}") from error
            LOG.warning("Ray did not start, trying again: %s", why)
            _end_half_started(error)
        else:
            return


def _end_half_started(error: Exception) -> None:
    """End the processes of a start that failed: Ray forgets them, and they would be in the way of the next."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if node is not None and hasattr(node, "kill_all_processes"):
            node.kill_all_processes(check_alive=False, allow_graceful=False)


def _check_reachable(address: str) -> None:
    """Refuse an address where nobody listens, for Ray would try for minutes, and what Ray Data cannot use."""
    if address.startswith("ray://"):
        raise UserError(
            "Ray Data cannot be driven from outside of its cluster, through ray://; run this on a node of the "
            "cluster, with --address HOST:6379 or --address auto"
        )
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is None:  # "auto" is Ray's to resolve
        return
    try:
        connect(place.netloc)
    except OSError as error:
        raise UserError(
            f"no Ray cluster answers at {address} ({error}); start one with `ray start --head`, or leave --address out"
        ) from None
