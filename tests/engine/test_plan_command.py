"""`dataengine plan` for a cluster, by what a run before has measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cheap_runs import CHEAP_STAGES, write_manifest

from dataengine import Pipeline, run
from dataengine.cli import main


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    """`plan(option, …)` on the cheap pipeline: exit code, output, errors."""
    file = tmp_path / "cheap.yaml"
    file.write_text("stages: [tone, propose, halve, draw, judge]\nengine: {slice_units: 16}\n")
    manifest = write_manifest(tmp_path / "manifest.parquet", 96)

    def command(*options: str):
        common = ["plan", str(file), "--set", f"input={manifest}", "--stages", str(CHEAP_STAGES)]
        monkeypatch.setattr(sys, "argv", ["dataengine", *common, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    command.pipeline = Pipeline.load(file, [f"input={manifest}"], [str(CHEAP_STAGES)])
    return command


@pytest.mark.usefixtures("ray_cluster")
def test_rates_and_bytes_are_those_of_the_run(plan, tmp_path):
    summary = run(plan.pipeline, tmp_path / "run")
    run_dir = str(tmp_path / "run")
    code, out, _ = plan(
        "--measured", run_dir, "--units", "9600", "--nodes", "3", "--cpus-per-node", "16", "--json"
    )
    assert code == 0
    told = json.loads(out)
    work = pq.read_table(tmp_path / "run" / "log" / "work.parquet").to_pandas()
    for stage, seconds in work.groupby("stage")["seconds"].sum().items():
        assert told["rates"]["stage_seconds"][stage] == pytest.approx(seconds / 96)
    assert told["rates"]["start_seconds"] > 0
    found = told["estimate"]
    assert found["slices"] == 600
    assert found["audio_hours"] == pytest.approx(9600 / 3600)
    assert found["kept_hours"] == pytest.approx(summary.counts.kept_seconds * 100 / 3600)
    assert found["storage"]["shards"] == pytest.approx(summary.shard_bytes * 100)
    assert told["groups"][0]["workers"] == 48
    least = work["seconds"].sum() * 100
    assert found["cpu_hours"] * 3600 >= least
    assert found["hours"] * 3600 >= least / 48

    code, out, _ = plan(
        "--measured", run_dir, "--units", "9600", "--nodes", "30", "--cpus-per-node", "16", "--json"
    )
    assert json.loads(out)["estimate"]["hours"] <= found["hours"]
    code, out, _ = plan(
        "--measured", run_dir, "--units", "360000000", "--nodes", "10", "--cpus-per-node", "64"
    )
    assert code == 0
    assert "on 10 nodes" in out
    assert "kept hours" in out


def test_a_probe_measures_without_a_run(plan):
    code, out, _ = plan("--probe", "8", "--nodes", "2", "--cpus-per-node", "4", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["estimate"]["hours"] * 3600 == told["seconds"] > 0
    assert told["estimate"]["storage"] is None


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (["--nodes", "4"], "--measured RUN"),
        (["--nodes", "4", "--probe", "2", "--measured", "run"], "give one of them"),
        (["--nodes", "4", "--measured", "nowhere"], "no run with a committed slice"),
        (["--nodes", "0", "--probe", "2"], "--nodes"),
    ],
)
def test_bad_input_is_answered_in_a_line(plan, tmp_path, monkeypatch, options, answer):
    monkeypatch.chdir(tmp_path)
    code, _, errors = plan(*options)
    assert code == 2
    assert answer in errors
    assert "Traceback" not in errors


@pytest.mark.usefixtures("ray_cluster")
def test_a_run_that_lacks_a_stage_is_refused(plan, tmp_path):
    run(plan.pipeline, tmp_path / "run", limit=16)
    file = Path(tmp_path / "cheap.yaml")
    file.write_text("stages: [tone, propose, halve, draw, judge, talk]\n")
    code, _, errors = plan(
        "--measured", str(tmp_path / "run"), "--stages", str(CHEAP_STAGES.with_name("talking_stages.py"))
    )
    assert code == 2
    assert "has not measured talk" in errors
