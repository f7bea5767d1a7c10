"""Joining a cluster, and keeping the terminal to ourselves."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dataengine.engine.cluster import cluster
from dataengine.errors import UserError


@pytest.mark.parametrize(
    ("address", "answer"),
    [("127.0.0.1:1", "no Ray cluster answers at"), ("ray://127.0.0.1:1", "on a node of the cluster")],
)
def test_an_address_that_cannot_serve_is_refused_at_once(address, answer, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(UserError, match=answer), cluster(address, sys.stderr):
        pass


def test_local_is_this_machine_whatever_the_environment_says(monkeypatch):
    import ray

    started = []
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: started.append(options))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="127.0.0.1:1"))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with cluster("local", sys.stderr) as size:
        assert size.cpus == 2.0
    (options,) = started
    assert (options["address"], options["include_dashboard"]) == ("local", False)


PRINTING = """
import os, sys
from pathlib import Path
from dataengine.engine.cluster import messages_to

print("before")
with messages_to(Path(sys.argv[1])) as terminal:
    print("a library's words")
    print("a library's worries", file=sys.stderr)
    os.write(2, b"native words\\n")
    print("our progress", file=terminal)
print("after")
"""


def test_what_libraries_print_goes_to_the_file_and_our_progress_to_the_terminal(tmp_path):
    messages = tmp_path / "log" / "ray.txt"
    done = subprocess.run(
        [sys.executable, "-c", PRINTING, str(messages)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert done.stdout == "before\nafter\n"
    assert done.stderr == "our progress\n"
    assert sorted(messages.read_text().splitlines()) == [
        "a library's words",
        "a library's worries",
        "native words",
    ]
