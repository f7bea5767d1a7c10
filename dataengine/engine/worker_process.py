"""The process that does a group's work, as a child of a Ray actor that watches over it.

It is a program of its own, not a fork: it inherits no threads and no locks, and does not import Ray.
On its connection come the work (once), then a slice at a time; back go a note before each call of a stage,
so that the watcher knows which rows were at work should the process not survive, and one answer a slice.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import socket
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TypeAlias

import cloudpickle
import pyarrow as pa

from dataengine.engine.carrying import with_audio
from dataengine.engine.footers import read_footers
from dataengine.engine.grouping import WorkerGroup
from dataengine.engine.job import Job
from dataengine.engine.lease import reason_to_stop
from dataengine.engine.messages import (
    SliceMessage,
    SliceReport,
    StoppedWorker,
    answer_of,
    pack,
    slice_of,
    unpack,
)
from dataengine.engine.parts import commit, part_of
from dataengine.engine.patience import NO_SPACE
from dataengine.engine.plan import read_slice
from dataengine.engine.slice_work import GroupRunner, SliceState, StageWork, units_of
from dataengine.engine.stage_call import Suspects, TransientError, Watch
from dataengine.engine.stems import EncodeStems
from dataengine.engine.worker_log import WorkerLog

SECONDS_BETWEEN_LOOKS = 1.0

PICKLE_PROTOCOL = 4
"""By protocol 5, arrays of NumPy 2 name a module that NumPy 1 lacks, and those of NumPy 1 one that NumPy 2 gives up."""

Answer: TypeAlias = "bytes | str"
"""To the next group a packed slice; to the driver a report as JSON."""


@dataclass(frozen=True)
class GroupWork:
    """What a worker is there for."""

    job: Job
    group: WorkerGroup
    first: bool
    """Whether it takes numbers of slices, not what an earlier group made of them."""
    last: bool
    """Whether it commits."""

    def pickled(self) -> bytes:
        """What the process is handed, whose environment may have another NumPy."""
        pickled: bytes = cloudpickle.dumps(self, protocol=PICKLE_PROTOCOL)
        return pickled


@dataclass(frozen=True)
class SliceRequest:
    """A slice to be done, and the rows that earlier attempts were lost over."""

    message: int | bytes
    suspects: Suspects
    given: int
    """How many slices the worker was given so far, this one too."""
    waited: float = 0.0
    """Seconds since the worker answered its last request; 0 if this is its first."""

    @property
    def slice(self) -> int:
        """The slice's number."""
        return self.message if isinstance(self.message, int) else slice_of(self.message)


@dataclass(frozen=True)
class Note:
    """A stage is about to work on these rows; no stage: the engine is at work itself."""

    stage: str
    rows: list[str]


@dataclass(frozen=True)
class Ready:
    """The stages are set up, or why they cannot be."""

    fatal: str | None


class SliceWorker:
    """A group's stages, set up, and what they do with a slice."""

    def __init__(self, work: GroupWork, watch: Watch) -> None:
        self._work, self._watch = work, watch
        job, group = work.job, work.group
        models = job.stages[0].context.models
        store = EncodeStems(sample_rate=job.sample_rate, store_frames=job.store_frames)
        self._runner = GroupRunner(
            group.name,
            group.stages,
            models,
            job.heavy_columns,
            job.micro_batch_units,
            store=store if work.last and job.keeps_audio else None,
            screens=job.screens,
        )
        for stage in group.stages:
            stage.setup()

    def do(self, request: SliceRequest) -> Answer:
        """Take one slice through the group."""
        if isinstance(request.message, bytes):
            given = unpack(request.message)
            if given.report is not None:  # an earlier group could not do the slice
                return self._answer(given.report)
            return self._run(given, request)
        number, job = request.message, self._work.job
        try:
            if reason_to_stop(job.storage, job.epoch):
                worker = StoppedWorker(socket.gethostname(), os.getppid(), request.given)
                return self._answer(SliceReport(number, stopped=worker))
            units = read_slice(job.storage, number)
            part = part_of(number, units, job.pipeline_digest)
            if job.storage.exists(part.name):  # Ray gave the task out again, for it was lost with its node
                (footer,) = read_footers(job.storage, [part])
                return self._answer(SliceReport(number, footer.counts, footer.work))
            state = job.carrying.state(number, units) if job.carrying else units_of(units)
        except Exception as error:  # the plan cannot be read now: storage is in trouble
            return self._answer(_postponed(number, error))
        return self._run(SliceMessage(number, units, state, []), request)

    def _run(self, given: SliceMessage, request: SliceRequest) -> Answer:
        try:
            state, mine = self._runner.run(
                given.slice, given.state, self._watch, request.suspects, request.waited
            )
            work = [*given.work, *mine]
            if not self._work.last:
                return pack(SliceMessage(given.slice, given.units, state, work))
            return self._commit(given.slice, given.units, state, work)
        except Exception as error:  # no row's fault: the slice stays to be done, and the driver hears why
            return self._answer(_postponed(given.slice, error))

    def _answer(self, report: SliceReport) -> Answer:
        return answer_of(report, self._work.last)

    def _commit(self, number: int, units: pa.Table, state: SliceState, work: list[StageWork]) -> Answer:
        self._watch("", [])
        job = self._work.job
        part = part_of(number, units, job.pipeline_digest)
        done = commit(part, with_audio(state) if job.carrying else state, work, job)
        return self._answer(SliceReport(number, done.counts, tuple(work), done.failures))


def _postponed(number: int, error: Exception) -> SliceReport:
    if isinstance(error, TransientError | OSError):
        full = isinstance(error, OSError) and error.errno in NO_SPACE
        return SliceReport(number, postponed=f"{type(error).__name__}: {error}", no_space=full)
    return SliceReport(number, postponed=traceback.format_exc())


def main(connection_fd: int, crash_fd: int, parent: int, memory_bytes: int) -> None:
    """Work until the connection ends.

    `crash_fd` is a file for the Python stack of a crash, or of a hang when SIGUSR1 asks for it; `parent` is the
    process that started this one, which ends with it; `memory_bytes`, unless 0, is what the process may allocate:
    beyond it allocating fails, with an exception, where the machine would otherwise start to kill.
    """
    faulthandler.enable(crash_fd, all_threads=False)
    faulthandler.register(signal.SIGUSR1, crash_fd, all_threads=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    connection = Connection(connection_fd)
    _die_with(parent)
    try:
        work: GroupWork = cloudpickle.loads(connection.recv_bytes())
        log = WorkerLog(work.group.name)
        log.capture()

        def watch(stage: str, rows: list[str]) -> None:
            log.at(stage, rows)
            connection.send(Note(stage, rows))

        worker = SliceWorker(work, watch)
    except Exception:
        connection.send(Ready(traceback.format_exc()))
        return
    connection.send(Ready(None))
    while True:
        try:
            request: SliceRequest = connection.recv()
        except EOFError:
            return
        log.slice = request.slice
        connection.send(worker.do(request))


def _die_with(parent: int) -> None:
    """End this process soon after its parent has ended: nobody would read its answers."""

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
