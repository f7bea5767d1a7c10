"""`dataengine` as the process it is, in a session of its own, to be killed or suspended with all it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from process_trees import Process, descendants

DATAENGINE = Path(sys.executable).with_name("dataengine")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "RAY_ADDRESS": "", "RAY_ENABLE_AUTO_CONNECT": "0"}
AS_ANYONE: tuple[str, ...] = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)
"""Before a command: takes from root that it may read what nobody may."""
LEFT_BY_RAY = "RAY_AUTH_MODE"
"""Set by Ray in a process that had a cluster of its own; a driver that kept it would be refused by others."""


def surroundings() -> dict[str, str]:
    """The environment that the tests were started in."""
    return {name: value for name, value in os.environ.items() if name != LEFT_BY_RAY}


class Driver:
    """One `dataengine` command at work."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        output: Path,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """Start `PREFIX… dataengine ARGUMENTS…`; what it prints goes to the file `output`."""
        self.output = output
        with output.open("ab") as file:
            self._process = subprocess.Popen(
                [*prefix, str(DATAENGINE), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**surroundings(), **ONE_THREAD, **(environment or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid

    def running(self) -> bool:
        """Whether the command has not ended."""
        return self._process.poll() is None

    def wait(self, seconds: float = 300.0) -> int:
        """The exit code. Raises if it takes longer; the processes are ended then."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal_all(signal.SIGKILL)
            raise AssertionError(
                f"dataengine did not end within {seconds:g} s:\n{self.output.read_text()}"
            ) from None

    def wait_until(self, happened: Callable[[], bool], seconds: float = 120.0) -> bool:
        """Wait until something happened, as often as the machine can look; False if the command ended first."""
        deadline = time.monotonic() + seconds
        while self.running():
            if happened():
                return True
            if time.monotonic() > deadline:
                self.signal_all(signal.SIGKILL)
                raise AssertionError(f"nothing happened within {seconds:g} s:\n{self.output.read_text()}")
            time.sleep(0.0005)
        return False

    def tree(self) -> list[Process]:
        """The driver and all processes that descend from it."""
        return descendants(self.pid)

    def kill(self) -> list[Process]:
        """kill -9 of the driver alone; returns what it leaves behind."""
        others = [process for process in self.tree() if process[0] != self.pid]
        self._process.kill()
        self._process.wait()
        return others

    def signal_all(self, number: signal.Signals) -> list[Process]:
        """Send a signal to the driver and all its descendants, as a machine that loses its power would."""
        tree = self.tree()
        for pid, _ in tree:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        if number == signal.SIGKILL:
            self._process.wait()
        return tree


def run_to_end(
    arguments: Sequence[str | Path],
    output: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float = 300.0,
    prefix: Sequence[str] = (),
) -> tuple[int, str]:
    """Run a command; its exit code and what it printed."""
    before = output.stat().st_size if output.exists() else 0
    code = Driver(arguments, output, environment, prefix).wait(seconds)
    return code, output.read_text()[before:]
