"""The Slurm script brings up a cluster of all its nodes, runs there, and stops and queues itself as it says.

Slurm's commands are stood in for by small scripts that do on this machine what Slurm does on its nodes; Ray, its
two nodes and the run are real.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.identity import unit_id
from manifests.schema import MANIFEST_SCHEMA

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "conf" / "cluster" / "slurm.sbatch"
BIN = Path(sys.executable).parent
CHEAP_STAGES = ROOT / "tests" / "engine" / "cheap_stages.py"
UNITS = 96

SRUN = """#!/usr/bin/env bash
# srun [--nodes=…] [--ntasks=1] [--nodelist=…] [--exclude=…] COMMAND…
while [[ $1 == --* ]]; do
    [[ $1 == --ntasks=* && $1 != --ntasks=1 ]] && { echo "one node each is all there is" >&2; exit 1; }
    [[ $1 == --exclude=* ]] && second=yes
    shift
done
command=("$@")
if [[ ${second:-} ]]; then # a machine of its own would have the port to itself
    command=("${command[@]/#--metrics-export-port=*/--metrics-export-port=0}")
fi
exec "${command[@]}"
"""
SCONTROL = """#!/usr/bin/env bash
case "$1 $2" in
    "show hostnames") tr , '\\n' <<<"$3" ;;
    requeue*) echo "$2" >>"$REQUEUED" ;;
    *) exit 1 ;;
esac
"""


def test_it_is_sound_bash():
    subprocess.run([BIN / "shellcheck", SCRIPT], check=True)


def test_slurm_gives_it_time_to_stop_before_the_end():
    directives = [line for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]
    (warning,) = [line for line in directives if "--signal" in line]
    how, seconds = warning.split("=B:")[1].split("@")
    assert how == "USR1"
    (to_commit,) = re.findall(r"SECONDS_TO_COMMIT:=(\d+)", SCRIPT.read_text())
    assert int(seconds) >= int(to_commit) + 30
    assert "#SBATCH --requeue" in directives


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """`job("--set", "key=value", …)` starts the script as Slurm would on two nodes with one CPU each."""
    commands = tmp_path / "slurm"
    commands.mkdir()
    for name, content in (("srun", SRUN), ("scontrol", SCONTROL)):
        (commands / name).write_text(content)
        (commands / name).chmod(0o755)
    rows = [
        {
            "unit_id": unit_id(f"recording {n}", 0, 1),
            "recording_id": f"recording {n}",
            "uri": f"memory:{n}",
            "start": 0.0,
            "duration": 1.0,
            "never_train": False,
        }
        for n in range(UNITS)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA), tmp_path / "manifest.parquet")
    (tmp_path / "cheap.yaml").write_text(
        "stages: [tone, propose, halve, draw, judge]\nengine: {slice_units: 8}\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"RAY_PORT": str(free.getsockname()[1]), "METRICS_PORT": str(other.getsockname()[1])}
    environment = {
        **os.environ,
        **ports,
        "PATH": f"{commands}:{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RAY_raylet_start_wait_time_s": "120",
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": "node1,node2",
        "SLURM_CPUS_PER_TASK": "1",
        "REQUEUED": str(tmp_path / "requeued"),
    }
    started: list[subprocess.Popen] = []

    def start(*overrides: str) -> subprocess.Popen:
        arguments = [tmp_path / "cheap.yaml", "--run-dir", tmp_path / "run", "--stages", CHEAP_STAGES]
        arguments += ["--set", f"input={tmp_path / 'manifest.parquet'}", *overrides]
        with (tmp_path / "job.log").open("a") as log:
            process = subprocess.Popen(
                [SCRIPT, *arguments], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        started.append(process)
        return process

    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def events_of(run_dir: Path) -> list[dict]:
    files = sorted((run_dir / "log" / "events").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.mark.slow
def test_a_run_uses_all_nodes_and_ends_with_its_exit_code(job, tmp_path):
    assert job().wait(300) == 0, (tmp_path / "job.log").read_text()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["counts"]["units"] == UNITS
    (pool,) = [event for event in events_of(tmp_path / "run") if event["event"] == "pool_planned"]
    assert pool["workers"] == 2
    assert not (tmp_path / "requeued").exists()


@pytest.mark.slow
def test_when_time_runs_out_it_commits_what_is_done_and_queues_itself_again(job, tmp_path):
    process = job("--set", "stages.tone.seconds_each=0.5")
    deadline = time.monotonic() + 240
    while not any(event["event"] == "slice_committed" for event in events_of(tmp_path / "run")):
        assert process.poll() is None, (tmp_path / "job.log").read_text()
        assert time.monotonic() < deadline, (tmp_path / "job.log").read_text()
        time.sleep(0.5)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(120) == 0, (tmp_path / "job.log").read_text()
    assert (tmp_path / "requeued").read_text() == "4711\n"
    assert events_of(tmp_path / "run")[-1]["reason"] == "StoppedError"
    assert list((tmp_path / "run" / "parts").rglob("*.parquet"))
    assert not (tmp_path / "run" / "summary.json").exists()
