"""What a command costs with everything it starts: processor time and memory, process by process.

Linux only. This process adopts what daemons leave behind (PR_SET_CHILD_SUBREAPER) and reads /proc ten
times a second, so drivers, workers, raylet, GCS and agents all count, whoever their parent is. A process's
last tenth of a second may be missed, unless its parent waits for it: the kernel's sum over such processes
counts where it is higher.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SECONDS_BETWEEN_SAMPLES = 0.1
SECONDS_TO_LINGER = 30.0
"""How long what a command leaves behind may take to end; it is killed then."""

PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

DRIVER, WORKER, OTHER = "driver", "worker", "other"
"""The command itself; a process that runs stages, or its child; all else, such as Ray's own."""
WORKER_TITLE = "GroupActor"
"""In the title that Ray gives a process of ours."""


@dataclass(frozen=True)
class Process:
    """One process at one moment."""

    pid: int
    parent: int
    role: str
    cpu_seconds: float
    memory: int
    """Bytes that are its own: resident, without what is shared or backed by a file."""


@dataclass(frozen=True)
class Sample:
    """All processes of a command at one moment."""

    time: float
    """Unix time."""
    cpu_seconds: float
    """Spent so far, by those that ended too."""
    processes: tuple[Process, ...]

    def memory(self, *roles: str) -> int:
        """Bytes of the processes in these roles together."""
        return sum(process.memory for process in self.processes if process.role in roles)


@dataclass
class Measured:
    """A command that has ended."""

    started: float
    """Unix time."""
    seconds: float = 0.0
    waited_for: float = 0.0
    """Processor seconds of the processes that were waited for, by the kernel's count."""
    samples: list[Sample] = field(default_factory=list)

    @property
    def cpu_seconds(self) -> float:
        """Of the whole tree."""
        return max(self.samples[-1].cpu_seconds, self.waited_for)

    def cpu_seconds_until(self, moment: float) -> float:
        """Spent before a moment in Unix time."""
        return max((s.cpu_seconds for s in self.samples if s.time <= moment), default=0.0)

    def peak_memory(self, *roles: str) -> int:
        """The most bytes that the processes in these roles had together at one moment."""
        return max(sample.memory(*roles) for sample in self.samples)


def measure(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    until: Callable[[], bool] | None = None,
) -> Measured:
    """Run a command to its end, and what it leaves behind too.

    Its output goes to `log`. Where `until` is given, the command is killed as soon as it is true.
    Raises RuntimeError if the command ends by itself with an error.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    log.parent.mkdir(parents=True, exist_ok=True)
    before = _waited_for()
    with log.open("wb") as output:
        measured = Measured(time.time())
        child = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        tree = _Tree(child.pid)
        while child.poll() is None:
            measured.samples.append(tree.sample())
            if until is not None and until():
                child.kill()
                child.wait()
                break
            time.sleep(SECONDS_BETWEEN_SAMPLES)
        measured.seconds = time.time() - measured.started
        tree.wait_for_the_rest(measured)
        measured.waited_for = _waited_for() - before
    if child.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{command[0]} failed:\n{log.read_text(errors='replace')[-4000:]}")
    return measured


class _Tree:
    """The processes that descend from this one."""

    def __init__(self, driver: int) -> None:
        self._driver = driver
        self._spent: dict[int, float] = {}
        self._workers: set[int] = set()

    def sample(self) -> Sample:
        children: dict[int, list[tuple[int, list[bytes]]]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (status := _status(int(name))):
                children.setdefault(int(status[1]), []).append((int(name), status))
        found: list[Process] = []
        waiting = [(os.getpid(), OTHER)]
        while waiting:
            parent, parent_role = waiting.pop()
            for pid, status in children.get(parent, ()):
                role = self._role(pid, parent_role)
                cpu_seconds = (int(status[11]) + int(status[12])) / TICKS
                self._spent[pid] = cpu_seconds
                found.append(Process(pid, parent, role, cpu_seconds, _own_memory(pid)))
                waiting.append((pid, role))
        return Sample(time.time(), sum(self._spent.values()), tuple(found))

    def wait_for_the_rest(self, measured: Measured) -> None:
        """Until all that the command started has ended."""
        deadline = time.monotonic() + SECONDS_TO_LINGER
        while True:
            measured.samples.append(self.sample())
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            if time.monotonic() > deadline:
                for process in measured.samples[-1].processes:
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)
            time.sleep(SECONDS_BETWEEN_SAMPLES)

    def _role(self, pid: int, parent_role: str) -> str:
        if pid == self._driver:
            return DRIVER
        if parent_role == WORKER or WORKER_TITLE in _title(pid):
            self._workers.add(pid)
        return WORKER if pid in self._workers else OTHER


def _waited_for() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _status(pid: int) -> list[bytes] | None:
    """/proc/PID/stat after the name: state, parent, … user and system ticks at 11 and 12."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _own_memory(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(resident) - int(shared)) * PAGE


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
