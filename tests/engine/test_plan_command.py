"""`dataengine plan`: what a run would take, by a probe or by what a run before has measured."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cheap_runs import CHEAP_STAGES, write_manifest

from dataengine import Pipeline, run
from dataengine.cli import main
from dataengine.runner import RunSummary

PIPELINE = "stages: [tone, propose, halve, draw, judge]\nengine: {slice_units: 16}\n"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("planned") / "manifest.parquet", 96)


@pytest.fixture(scope="module")
def measured(manifest, ray_cluster) -> RunSummary:
    """A run of the cheap pipeline; tests must not write into its directory."""
    file = manifest.with_name("cheap.yaml")
    file.write_text(PIPELINE)
    return run(Pipeline.load(file, [f"input={manifest}"], [str(CHEAP_STAGES)]), manifest.with_name("run"))


@pytest.fixture
def plan(manifest, tmp_path, monkeypatch, capsys):
    """`plan(option, …)` on the cheap pipeline: exit code, output, errors."""
    file = tmp_path / "cheap.yaml"
    file.write_text(PIPELINE)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def command(*options: str):
        common = ["plan", str(file), "--set", f"input={manifest}", "--stages", str(CHEAP_STAGES)]
        monkeypatch.setattr(sys, "argv", ["dataengine", *common, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        assert list((tmp_path / "temporary").iterdir()) == []
        return ended.value.code, *capsys.readouterr()

    return command


def test_rates_and_bytes_are_those_of_the_run(plan, measured):
    run_dir = measured.run_dir
    code, out, _ = plan(
        "--measured", run_dir, "--units", "9600", "--nodes", "3", "--cpus-per-node", "16", "--json"
    )
    assert code == 0
    told = json.loads(out)
    work = pq.read_table(f"{run_dir}/log/work.parquet").to_pandas()
    for stage, seconds in work.groupby("stage")["seconds"].sum().items():
        assert told["rates"]["stage_seconds"][stage] == pytest.approx(seconds / 96)
    assert told["rates"]["rows"] == pytest.approx(len(pq.read_table(f"{run_dir}/samples")) / 96)
    assert told["rates"]["start_seconds"] > 0
    assert told["rates"]["commit_seconds"] > 0
    waits = work["waited"][work["waited"] > 0]  # the first slice of a worker has none before it
    assert len(waits) == 6 - work["pid"].nunique()
    assert told["rates"]["ray_seconds"] == pytest.approx(waits.median())
    found = told["estimate"]
    assert found["slices"] == 600
    assert found["audio_hours"] == pytest.approx(9600 / 3600)
    assert found["kept_hours"] == pytest.approx(measured.counts.kept_seconds * 100 / 3600)
    assert found["storage"]["shards"] == pytest.approx(measured.shard_bytes * 100)
    assert told["groups"][0]["workers"] == 48
    least = work["seconds"].sum() * 100
    assert found["cpu_hours"] * 3600 >= least
    assert found["steps"]["labelling"] * 3600 >= least / 48


def test_finishing_and_packing_are_told_by_rates_of_this_machine_and_grow_with_the_units(plan, measured):
    hours = []
    for units in (2_000, 20_000):
        _, out, _ = plan("--measured", measured.run_dir, "--units", str(units), "--json")
        told = json.loads(out)
        rates, driver, found = told["rates"], told["driver"], told["estimate"]
        for step, count in (
            ("finishing", rates["rows"] * units),
            ("packing", rates["shard_bytes"] * units),
        ):
            assert driver[step]["each"] > 0
            seconds = driver[step]["once"] + driver[step]["each"] * count
            assert found["steps"][step] * 3600 == pytest.approx(seconds)
        assert found["hours"] == pytest.approx(sum(found["steps"].values()))
        assert told["seconds"] == pytest.approx(found["hours"] * 3600)
        hours.append(found["steps"])
    assert hours[1]["labelling"] == pytest.approx(10 * hours[0]["labelling"], rel=0.05)
    for step in ("finishing", "packing"):
        assert hours[1][step] > 2 * hours[0][step]


@pytest.mark.usefixtures("ray_cluster")
def test_a_probe_measures_the_pipeline_that_it_is_given(plan):
    slow = 0.02
    code, out, _ = plan("--probe", "32", "--set", f"stages.tone.seconds_each={slow}", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["rates"]["units"] == told["probe"]["windows"] == 32
    assert told["rates"]["stage_seconds"]["tone"] >= slow
    assert told["estimate"]["steps"]["labelling"] * 3600 >= 96 * slow / told["groups"][0]["workers"]
    assert told["estimate"]["hours"] * 3600 == told["seconds"]
    assert min(told["estimate"]["steps"].values()) > 0
    assert told["rates"]["ray_seconds"] > 0
    assert told["estimate"]["storage"]["shards"] > 0

    code, out, _ = plan("--probe", "2", "--nodes", "2", "--cpus-per-node", "4")
    assert code == 0
    for said in ("2 windows, with 1 of", "start", "labelling", "finishing", "packing", "on 2 nodes"):
        assert said in out


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


def test_a_run_that_lacks_a_stage_is_refused(plan, measured, tmp_path):
    file = Path(tmp_path / "cheap.yaml")
    file.write_text("stages: [tone, propose, halve, draw, judge, talk]\n")
    code, _, errors = plan(
        "--measured", measured.run_dir, "--stages", str(CHEAP_STAGES.with_name("talking_stages.py"))
    )
    assert code == 2
    assert "has not measured talk" in errors
