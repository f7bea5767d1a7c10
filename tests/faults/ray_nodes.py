"""A Ray cluster of real `ray start` processes on this machine, whose nodes can be killed and added."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from driver_process import ONE_THREAD
from process_trees import descendants

RAY = Path(sys.executable).with_name("ray")
SECONDS_TO_START = 240.0
OBJECT_STORE_BYTES = 100_000_000
SURROUNDINGS = {"RAY_AUTH_MODE": "disabled"}
"""No token, for this machine alone."""


class Node:
    """One `ray start`, with the processes it started."""

    def __init__(self, arguments: list[str], output: Path, environment: Mapping[str, str]) -> None:
        options = ["--block", "--disable-usage-stats", f"--object-store-memory={OBJECT_STORE_BYTES}"]
        with output.open("ab") as file:
            self.process = subprocess.Popen(
                [str(RAY), "start", *options, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ONE_THREAD, **SURROUNDINGS, **environment},
                start_new_session=True,
            )

    def processes(self) -> set[int]:
        """Ids of all its processes, its workers' among them."""
        return {pid for pid, _ in descendants(self.process.pid)}


class Cluster:
    """A head that does work itself, and nodes that join it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rn"))  # Ray's sockets lie below it: a short name
        self._environment = environment
        self.address = f"127.0.0.1:{_free_port()}"
        port = self.address.rpartition(":")[2]
        where = [f"--port={port}", f"--temp-dir={self._folder}"]
        self.head = self._start(["--head", *where, "--include-dashboard=false", "--num-cpus=1"])
        self.nodes = [self.head]
        _wait_for_listener(int(port))

    def add(self) -> Node:
        """A further node with one CPU, which has joined: two that start at once may want the same ports."""
        before, arguments = self._alive(), [f"--address={self.address}", "--num-cpus=1"]
        self.nodes.append(self._start(arguments))
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._alive() - before:
            assert time.monotonic() < deadline, (self._folder / "nodes.txt").read_text()
            if self.nodes[-1].process.poll() is not None:  # Ray waits half a minute for its own processes
                self.nodes[-1] = self._start(arguments)
            time.sleep(0.5)
        return self.nodes[-1]

    def _alive(self) -> set[object]:
        from ray._raylet import GcsClient
        from ray.core.generated.gcs_pb2 import GcsNodeInfo

        infos = GcsClient(address=self.address).get_all_node_info(timeout=SECONDS_TO_START)
        return {node for node, info in infos.items() if info.state == GcsNodeInfo.ALIVE}

    def kill(self, node: Node) -> None:
        """End a node as a machine ends that loses its power: all its processes at once."""
        for pid in node.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.process.wait()
        self.nodes.remove(node)

    def close(self) -> None:
        """Kill all nodes."""
        for node in list(self.nodes):
            self.kill(node)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, arguments: list[str]) -> Node:
        return Node(arguments, self._folder / "nodes.txt", self._environment)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for_listener(port: int) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
