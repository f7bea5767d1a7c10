"""Who writes shards: threads of this process, or tasks on the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TextIO

import pyarrow as pa

from dataengine.engine.arrow_stream import from_stream, to_stream
from dataengine.engine.cluster import cluster, cluster_elsewhere
from dataengine.engine.lease import LeaseLostError, reason_to_stop
from dataengine.engine.results import Place
from dataengine.engine.shards import SampleNotes, write_shard
from dataengine.engine.storage import Storage
from dataengine.errors import EngineError

SHARDS_A_NODE = 2
"""At a time: one is copied while another is flushed to disk, or on its way to an object store."""
TASK_CPUS = 1.0
RETRIES = 16
"""Of a shard, when nodes are lost: it costs less than the run."""


@dataclass(frozen=True)
class ShardWriters:
    """Takes shards to be written."""

    at_a_time: int
    begin: Callable[[Place, str, pa.Table, SampleNotes], Callable[[], None]]
    """Has one shard of these rows written, as `write_shard` does; call what it returns to wait for its end."""


OpenWriters = Callable[[], AbstractContextManager[ShardWriters]]
"""Gets hold of the writers, for as long as the block runs, once it is known that there is something to write."""


def writers_for(address: str | None, epoch: int, terminal: TextIO) -> OpenWriters:
    """Those on the cluster that `cluster` would join, or those here where it would join none."""
    if cluster_elsewhere(address):
        return partial(writers_on_cluster, address, epoch, terminal)
    return writers_here


@contextmanager
def writers_here() -> Iterator[ShardWriters]:
    """Threads of this process."""
    with ThreadPoolExecutor(SHARDS_A_NODE) as threads:

        def begin(place: Place, name: str, rows: pa.Table, notes: SampleNotes) -> Callable[[], None]:
            return threads.submit(write_shard, place.storage, name, rows, notes, place.check).result

        yield ShardWriters(SHARDS_A_NODE, begin)


@contextmanager
def writers_on_cluster(address: str | None, epoch: int, terminal: TextIO) -> Iterator[ShardWriters]:
    """Tasks of the driver of this epoch on the nodes of a cluster; parameters and errors as of `cluster`.

    Raises EngineError in the block if a task is lost again and again.
    """
    with cluster(address, terminal):
        import ray
        from ray.exceptions import RayError, RayTaskError

        task = ray.remote(num_cpus=TASK_CPUS, max_retries=RETRIES, scheduling_strategy="SPREAD")(
            _write_in_task
        )

        def begin(place: Place, name: str, rows: pa.Table, notes: SampleNotes) -> Callable[[], None]:
            writing = task.remote(place.storage, name, to_stream(rows), notes, epoch)

            def wait() -> None:
                try:
                    ray.get(writing)
                except RayTaskError as error:
                    raise error.cause from None
                except RayError as error:
                    raise EngineError(f"{name} could not be written on the cluster: {error}") from error

            return wait

        yield ShardWriters(SHARDS_A_NODE * _nodes(), begin)


def _nodes() -> int:
    import ray

    return sum(bool(node["Alive"]) for node in ray.nodes())  # type: ignore[no-untyped-call]


def _write_in_task(storage: Storage, name: str, rows: bytes, notes: SampleNotes, epoch: int) -> None:
    def check() -> None:
        reason = reason_to_stop(storage, epoch)
        if reason is not None:
            raise LeaseLostError(reason)

    write_shard(storage, name, from_stream(rows), notes, check)
