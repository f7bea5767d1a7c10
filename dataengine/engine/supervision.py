"""Watching over the process that does the work: a row that crashes it, hangs or eats the memory costs only itself.

The process tells before each call of a stage which rows it takes. When it is lost, a new one does the slice
again and takes those rows one by one; a row that is alone when the process is lost has failed. A loss that
may have come from outside (someone killed the process) is forgiven once: the same rows are taken together again.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Pipe
from pathlib import Path

from dataengine.engine.messages import SliceReport, answer_of, slice_of
from dataengine.engine.stage_call import Reason, Suspects, without_addresses
from dataengine.engine.worker_process import Answer, Note, Ready, SliceRequest
from dataengine.interpreters import variables_for

SETUP_SECONDS = 3600.0
"""Longest that setting up a group's stages may take: models are large and storage may be slow."""
ENGINE_SECONDS = 1800.0
"""Longest that the engine's own work on a slice may take: reading the plan, writing the part."""
LOSSES_WITHOUT_ROWS = 3
"""So often may the process be lost over a slice while no stage is at work, before the slice is put off."""
SECONDS_FOR_A_STACK = 2.0
SIGNALS_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""What the system, a scheduler or a person ends a process with; a fault of its own sends others."""
SHARE_OF_MEMORY = 0.8
"""Of a machine's memory, what its workers may allocate together."""

KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}
"""For the C library's allocator: hold on to what a waveform or spectrogram took until the next one wants it. By
default each is given back and fetched anew, page by page, which costs more than much of the arithmetic on it."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Workers, not threads within them, fill the machine."""


class WorkerCrashedError(Exception):
    """The stage took its process down."""


class StageStalledError(Exception):
    """The stage did not come to an end within `engine.stage_seconds`."""


@dataclass(frozen=True)
class Limits:
    """What a worker's process may use, and where it finds things."""

    stage_seconds: float
    """Longest that one stage may take for one micro-batch."""
    memory_bytes: int
    """What it may allocate; 0: no limit."""
    forgive_stalls: bool = False
    """Whether a stall may have come from outside too: from storage that hung, or a machine with too much to do."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the driver's environment that hold for the process too, on whatever node it is."""
    python: str | None = None
    """The interpreter that runs it, if not this process's."""


class Loss(Exception):  # noqa: N818 - an event that is handled, not an error
    """The process is gone, and what it was at."""

    def __init__(self, note: Note, reason: Reason, from_outside: bool) -> None:
        super().__init__(reason.error)
        self.note, self.reason, self.from_outside = note, reason, from_outside


class SupervisedWorker:
    """A group's work, done in a process that is started anew when it is lost."""

    def __init__(self, work: bytes, last: bool, limits: Limits) -> None:
        """Take on a pickled `GroupWork`; `last` as it says. Its stages are set up while there is no slice yet."""
        self._work, self._last, self._limits = work, last, limits
        self._process: _Process | None = None
        self._fatal: str | None = None
        self._given = 0
        self._answered: float | None = None
        self._start()

    def do(self, message: int | bytes) -> Answer:
        """Have one slice done: a number, or what an earlier group made of it."""
        waited = 0.0 if self._answered is None else time.monotonic() - self._answered
        answer = self._answer(message, waited)
        self._answered = time.monotonic()
        return answer

    def _answer(self, message: int | bytes, waited: float) -> Answer:
        suspects, losses_without_rows = Suspects(), 0
        self._given += 1
        forgiven: list[Note] = []
        number = message if isinstance(message, int) else slice_of(message)
        while True:
            if fatal := self._ensure_process():
                return answer_of(SliceReport(number, fatal=fatal), self._last)
            assert self._process is not None
            try:
                return self._process.ask(SliceRequest(message, suspects, self._given, waited))
            except Loss as loss:
                self._process = None
                if loss.from_outside and loss.note.rows and loss.note not in forgiven:
                    forgiven.append(loss.note)
                    continue
                if loss.note.rows:
                    suspects.add(loss.note.stage, loss.note.rows, loss.reason)
                    continue
                losses_without_rows += 1
                if losses_without_rows == LOSSES_WITHOUT_ROWS:
                    why = f"{loss.reason.error_type}: {loss.reason.error}\n{loss.reason.traceback}"
                    return answer_of(SliceReport(number, postponed=why), self._last)

    def _ensure_process(self) -> str | None:
        """Start the process unless it lives, and wait for it; says why that cannot be done, if it cannot."""
        self._start()
        if self._process is not None and self._fatal is None:
            try:
                self._fatal = self._process.set_up()
            except Loss as loss:
                self._fatal = f"{loss}\n{loss.reason.traceback}"
        return self._fatal

    def _start(self) -> None:
        """Start the process unless it lives. If it cannot be started, the next slice is answered with the reason."""
        if self._process is None and self._fatal is None:
            try:
                self._process = _Process(self._work, self._limits)
            except OSError as error:  # no memory, process or file is left for it
                self._fatal = (
                    f"its process cannot be started on {socket.gethostname()} ({error}); run the same command "
                    "again when this is mended"
                )


class _Process:
    """One process, from its start to its loss."""

    def __init__(self, work: bytes, limits: Limits) -> None:
        """Start it, and hand it the work."""
        self._limits = limits
        self._crash_file = tempfile.TemporaryFile()  # noqa: SIM115 - nameless: a killed process leaves none behind
        self._connection, theirs = Pipe()
        fds = (theirs.fileno(), self._crash_file.fileno())
        arguments = ", ".join(map(str, (*fds, os.getpid(), limits.memory_bytes)))
        call = f"from dataengine.engine.worker_process import main; main({arguments})"
        variables = {**KEEP_FREED_MEMORY, **os.environ, **ONE_THREAD, **limits.environment}
        command = [limits.python or sys.executable, "-c", call]
        self._process = subprocess.Popen(command, pass_fds=fds, env=variables_for(limits.python, variables))
        theirs.close()
        self._note = Note("", [])
        self._ready: Ready | None = None
        with suppress(OSError):  # if it is gone already, whoever waits for its answer hears of that
            self._connection.send_bytes(work)

    def set_up(self) -> str | None:
        """Wait until its stages are set up; the traceback if they cannot be. Raises Loss."""
        if self._ready is None:
            answer = self._receive(SETUP_SECONDS)
            assert isinstance(answer, Ready)
            self._ready = answer
        return self._ready.fatal

    def ask(self, request: SliceRequest) -> Answer:
        """Have a slice done. Raises Loss."""
        self._note = Note("", [])
        try:
            self._connection.send(request)
        except OSError as error:
            raise self._lost() from error
        while True:
            answer = self._receive(self._limits.stage_seconds if self._note.stage else ENGINE_SECONDS)
            if isinstance(answer, bytes | str):
                return answer
            assert isinstance(answer, Note)
            self._note = answer

    def _receive(self, seconds: float) -> object:
        if not self._connection.poll(seconds):
            raise self._stalled(seconds)
        try:
            return self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _lost(self) -> Loss:
        code = self._process.wait()
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        hint = "; it may have needed more memory than there is" if code == -signal.SIGKILL else ""
        return self._loss(
            WorkerCrashedError(f"the process ended with {how}{hint}"), -code in SIGNALS_FROM_OUTSIDE
        )

    def _stalled(self, seconds: float) -> Loss:
        self._process.send_signal(signal.SIGUSR1)  # it writes where it hangs
        time.sleep(SECONDS_FOR_A_STACK)
        self._process.kill()
        self._process.wait()
        stalled = StageStalledError(f"it did not come to an end within {seconds:g} s")
        return self._loss(stalled, self._limits.forgive_stalls)

    def _loss(self, error: Exception, from_outside: bool) -> Loss:
        self._crash_file.seek(0)
        stack = self._crash_file.read().decode(errors="replace")
        self._crash_file.close()
        self._connection.close()
        return Loss(
            self._note, Reason(type(error).__name__, str(error), without_addresses(stack)), from_outside
        )


def memory_share(share: float) -> int:
    """Bytes that a worker may allocate that is `share` of what its machine runs."""
    return int(_machine_memory() * SHARE_OF_MEMORY * share)


def _machine_memory() -> int:
    """Bytes of memory of this machine, or of the control group that we are confined to."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(place).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            limits.append(int(text))
    return min(limits)
