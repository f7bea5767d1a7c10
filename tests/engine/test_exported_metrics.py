"""The metrics that Ray exports are the numbers of the run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cheap_runs import CHEAP_STAGES, write_manifest
from process_trees import descendants
from prometheus_client.parser import text_string_to_metric_families

RAY = Path(sys.executable).with_name("ray")
DATAENGINE = Path(sys.executable).with_name("dataengine")
ENVIRONMENT = {
    **os.environ,
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "RAY_metrics_report_interval_ms": "1000",
}


SECONDS_TO_WAIT = 120.0


@dataclass(frozen=True)
class Cluster:
    address: str
    metrics_port: int

    def values(self, metric: str) -> dict[tuple[str, ...], float]:
        """Sums over the exporting processes, by the labels of ours other than the run."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        sums: dict[tuple[str, ...], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == metric:
                    names = ("stage", "verdict", "outcome", "of", "error_type", "group")
                    key = tuple(sample.labels[name] for name in names if name in sample.labels)
                    sums[key] = sums.get(key, 0.0) + sample.value
        return sums


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def started_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster as an operator starts it, in processes of its own."""
    port, metrics_port, client_port, agent_port = free_ports(4)
    command = [RAY, "start", "--head", "--block", "--num-cpus=2", "--include-dashboard=false"]
    command += [f"--port={port}", f"--metrics-export-port={metrics_port}", "--disable-usage-stats"]
    command += [f"--ray-client-server-port={client_port}", f"--dashboard-agent-listen-port={agent_port}"]
    command += ["--object-store-memory=200000000"]
    with (tmp_path_factory.mktemp("ray") / "ray.txt").open("w") as log:
        process = subprocess.Popen(
            [*map(str, command)], env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True
        )
    try:
        cluster = Cluster(f"127.0.0.1:{port}", metrics_port)
        wait_until(lambda: answers(port) and answers(metrics_port))
        yield cluster
    finally:
        for pid, _ in descendants(process.pid):  # a cluster that is asked to stop takes half a minute
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(60)


def command_on(cluster: Cluster, run_dir: Path, units: int) -> list[str]:
    manifest = write_manifest(run_dir.parent / "manifest.parquet", units, unreadable_every=40)
    pipeline = run_dir.parent / "cheap.yaml"
    pipeline.write_text(
        "stages: [tone, propose, halve, draw, judge]\nengine: {slice_units: 16, micro_batch_units: 4}\n"
    )
    command = [DATAENGINE, "run", pipeline, "--run-dir", run_dir, "--stages", CHEAP_STAGES, "--json"]
    command += ["--address", cluster.address, "--set", f"input={manifest}"]
    command += ["--set", "stages.tone.fail_every=11", "--set", "stages.tone.seconds_each=0.05"]
    return [*map(str, command)]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for too long"
        time.sleep(0.5)


@pytest.mark.slow
def test_what_prometheus_scrapes_is_what_the_summary_says(started_cluster, tmp_path):
    values = started_cluster.values
    command = command_on(started_cluster, tmp_path / "run", 200)
    gauges: dict[str, list[float]] = {
        name: [] for name in ("units_planned", "units_done", "slices_waiting", "workers")
    }
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        while run.poll() is None:
            for name, seen in gauges.items():
                seen.extend(values(f"ray_dataengine_{name}").values())
            time.sleep(0.5)
        output, errors = run.communicate()
    assert run.returncode == 0, errors
    counts = json.loads(output)["counts"]

    assert set(gauges["units_planned"]) == {200}
    assert set(gauges["workers"]) == {2}
    assert len(set(gauges["units_done"])) > 1
    assert gauges["units_done"] == sorted(gauges["units_done"])
    assert gauges["slices_waiting"] == sorted(gauges["slices_waiting"], reverse=True)

    wait_until(lambda: values("ray_dataengine_units_total") == {(): counts["units"]})
    assert values("ray_dataengine_slices_total") == {("committed",): 13}
    assert values("ray_dataengine_candidates_total") == {
        ("kept",): counts["kept"],
        ("rejected",): counts["rejected"],
    }
    assert values("ray_dataengine_audio_seconds_total")[("kept",)] == pytest.approx(counts["kept_seconds"])

    work = pq.read_table(tmp_path / "run" / "log" / "work.parquet").to_pandas().groupby("stage")
    rows = values("ray_dataengine_stage_rows_total")
    for column, verdict in (("rows_out", "passed"), ("rejected", "rejected"), ("failed", "failed")):
        for stage, count in work[column].sum().items():
            assert rows.get((stage, verdict), 0) == count
    seconds = values("ray_dataengine_stage_seconds_total")
    for stage, spent in work["seconds"].sum().items():
        assert seconds[(stage,)] == pytest.approx(spent, rel=1e-6)

    table = pq.read_table(tmp_path / "run" / "samples").to_pandas()
    failed = table[table["status"] == "failed"].groupby(["stage", "error_type"]).size()
    assert len(failed) == 2
    assert values("ray_dataengine_failures_total") == failed.to_dict()


@pytest.mark.slow
def test_a_cluster_that_wants_a_token_says_so(started_cluster, tmp_path):
    without = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("RAY_AUTH")}
    command = command_on(started_cluster, tmp_path / "run", 10)
    done = subprocess.run(
        command, env={**without, "RAY_AUTH_MODE": "disabled"}, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "wants a token" in done.stderr
    assert "RAY_AUTH_MODE=token" in done.stderr
