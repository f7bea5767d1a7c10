"""Bad recordings and bad stages: each costs its own rows, and these say why; all others are done."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile
from cheap_job import STAGE_FILES, CheapJob, results
from driver_process import AS_ANYONE, run_to_end
from poisoned_files import KINDS, RATE, noise, put
from poisonous_stages import CAUSE, FAULTS, UNITS, fault_of

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]

READABLE_AT_FIRST_SIGHT = {"NaN", "infinite", "rate changes"}
"""The index measures a recording; it does not decode it from end to end."""
LIES = {"announces ten times its length", "claims 2 GB", "claims a month"}
"""Files that are sound but for their header: the index believes what it measures."""
SECONDS = 600


def dataengine(output: Path, *arguments: str | Path, **environment: str) -> str:
    """Run a command that must succeed; what it printed."""
    code, printed = run_to_end(arguments, output, environment, SECONDS, AS_ANYONE)
    assert code == 0, printed
    return printed


def samples_of(run_dir: Path) -> pd.DataFrame:
    return pq.read_table(run_dir / "samples").to_pandas()


def of_file(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    return rows[rows["uri"] == str(path)]


def assert_failed_and_says_why(rows: pd.DataFrame, kind: str, stage: str) -> None:
    failed = rows[rows["status"] == "failed"]
    assert len(failed), kind
    assert set(failed["stage"]) == {stage}, (kind, failed["error"].tolist())
    assert failed["error_type"].str.len().gt(0).all(), kind
    assert failed["error"].str.len().gt(0).all(), kind


def put_before_indexing(folder: Path) -> dict[str, Path]:
    kinds = [kind for kind in KINDS if kind != "directory"]  # one is searched like any other
    bad = {kind: folder / f"before-{number:02d}.flac" for number, kind in enumerate(kinds)}
    for kind, path in bad.items():
        put(kind, path)
    return bad


def put_after_indexing(good: list[Path], kinds: list[str]) -> dict[str, Path]:
    bad = dict(zip(kinds, random.Random(0).sample(good, len(kinds)), strict=True))
    for kind, path in bad.items():
        put(kind, path)
    return bad


def assert_each_costs_only_itself(
    rows: pd.DataFrame, before: dict[str, Path], after: dict[str, Path], good: list[Path]
) -> None:
    for kind, path in before.items():
        of_kind = of_file(rows, path)
        if kind in LIES:
            assert len(of_kind), kind
            assert not (of_kind["status"] == "failed").any(), (kind, of_kind["error"].tolist())
        else:
            stage = "decode" if kind in READABLE_AT_FIRST_SIGHT else "index"
            assert_failed_and_says_why(of_kind, kind, stage)
    for kind, path in after.items():
        assert_failed_and_says_why(of_file(rows, path), kind, "decode")
    sound = rows[rows["uri"].isin([str(path) for path in good if path not in after.values()])]
    assert sound["uri"].nunique() == len(good) - len(after)
    assert not (sound["status"] == "failed").any(), sound["error"].dropna().tolist()
    assert rows["sample_id"].is_unique


def test_one_recording_in_a_hundred_is_bad(tmp_path):
    folder, run_dir, output = tmp_path / "recordings", tmp_path / "run", tmp_path / "output.txt"
    folder.mkdir()
    count = 100 * 2 * len(KINDS)
    good = [folder / f"good-{number:05d}.wav" for number in range(count)]
    waveform = noise(1.5)
    for number, path in enumerate(good):
        soundfile.write(path, waveform[number : number + RATE], RATE)
    before = put_before_indexing(folder)
    manifest = tmp_path / "manifest.parquet"
    windows = ("--window-seconds", "1", "--minimum-seconds", "0.05")
    dataengine(output, "index", folder, "-o", manifest, *windows)
    after = put_after_indexing(good, list(KINDS))
    pipeline = tmp_path / "light.yaml"
    pipeline.write_text(
        "stages: [decode, propose, halve, levels, silence_ratio, remix_error, fingerprint]\n"
        "engine: {slice_units: 256}\n"
    )
    stages = [argument for file in STAGE_FILES for argument in ("--stages", file)]
    command = ("run", pipeline, "--set", f"input={manifest}", "--run-dir", run_dir, *stages)
    dataengine(output, *command)
    assert_each_costs_only_itself(samples_of(run_dir), before, after, good)


def test_bad_recordings_in_the_pipeline_of_the_demo(demo_directory, tmp_path):
    folder, run_dir, output = tmp_path / "recordings", tmp_path / "run", tmp_path / "output.txt"
    folder.mkdir()
    scenes = sorted((demo_directory / "pool").glob("*.flac"))
    good = [folder / scene.name for scene in scenes]
    for scene, path in zip(scenes, good, strict=True):
        path.write_bytes(scene.read_bytes())
    silence = folder / "an-hour-of-silence.flac"
    soundfile.write(silence, np.zeros(3600 * RATE, np.int16), RATE)
    before = put_before_indexing(folder)
    manifest = tmp_path / "manifest.parquet"
    dataengine(output, "index", folder, "-o", manifest, "--minimum-seconds", "0.05")
    after = put_after_indexing(good, list(KINDS)[::2])
    command = ("run", "stages/pseudolabel.yaml", "--set", f"input={manifest}", "--run-dir", run_dir)
    os.chdir(REPOSITORY)
    dataengine(output, *command)
    rows = samples_of(run_dir)
    assert_each_costs_only_itself(rows, before, after, good)
    assert len(of_file(rows, silence)) == 360
    assert set(of_file(rows, silence)["status"]) == {"empty"}


ENDS = {
    "raises": ("poisonous", "ValueError", "this unit is poison"),
    "gives no batch": ("poisonous", "StageContractError", "not a Batch"),
    "gives text for a number": ("poisonous", "StageContractError", "level"),
    "gives a number too few": ("poisonous", "ValueError", "other lengths"),
    "drops a row": ("poisonous", "StageContractError", "dropped"),
    "gives an undeclared column": ("poisonous", "StageContractError", "surprise"),
    "gives two-dimensional stems": ("poisonous", "StageContractError", "where a waveform is due"),
    "gives stems of another length": ("commit", "ValueError", "samples"),
    "gives NaN": ("commit", "ValueError", "NaN"),
    "crashes": ("poisonous", "WorkerCrashedError", "SIGSEGV"),
    "hangs": ("poisonous", "StageStalledError", "2 s"),
    "ends its process": ("poisonous", "WorkerCrashedError", "exit code 3"),
    "wants too much memory": ("poisonous", "MemoryError", "allocate"),
    "hangs in foreign code": ("poisonous", "StageStalledError", "2 s"),
    "aborts": ("poisonous", "WorkerCrashedError", "SIGABRT"),
    "takes more and more memory": ("poisonous", "MemoryError", "allocate"),
}
"""Stage, type of error and a word of the message of the row that each fault costs."""


def test_stages_that_go_wrong_cost_the_rows_that_they_go_wrong_over(tmp_path):
    job = CheapJob.write(tmp_path / "job", UNITS)
    job.pipeline.write_text(
        "stages: [tone, poisonous]\n"
        "engine: {slice_units: 24, micro_batch_units: 8, stage_seconds: 2, worker_memory_gigabytes: 2}\n"
    )
    run_dir = tmp_path / "run"
    command = job.command(run_dir, "--stages", str(HERE / "poisonous_stages.py"))
    dataengine(tmp_path / "output.txt", *command)
    rows = samples_of(run_dir)
    assert rows["unit_id"].nunique() == UNITS
    assert rows["sample_id"].is_unique
    befell = set()
    for uri, of_unit in rows.groupby("uri"):
        if (fault := fault_of(uri)) is None:
            assert set(of_unit["status"]) == {"done"}
            continue
        befell.add(fault)
        stage, error_type, message = ENDS[fault]
        assert set(of_unit["status"]) == {"failed"}, fault
        assert set(of_unit["stage"]) == {stage}, fault
        assert set(of_unit["error_type"]) == {error_type}, (fault, of_unit["error"].tolist())
        assert of_unit["error"].str.contains(message, regex=False).all(), (fault, of_unit["error"].tolist())
    assert befell == set(FAULTS)


def test_too_many_failures_stop_a_run_and_a_retry_completes_it(tmp_path):
    job = CheapJob.write(tmp_path / "job", 320)
    stages = "stages: [tone, fragile, propose, halve, draw, judge]\n"
    job.pipeline.write_text(
        f"deterministic: true\n{stages}engine: {{slice_units: 16, max_failed: 0.1}}\npack: {{shard_megabytes: 0.5}}\n"
    )
    cause, run_dir, output = tmp_path / "cause", tmp_path / "run", tmp_path / "output.txt"
    sources = ("--stages", str(HERE / "poisonous_stages.py"))
    command = job.command(run_dir, *sources)
    environment = {CAUSE: str(cause)}

    dataengine(output, *job.command(tmp_path / "undisturbed", *sources), **environment)
    cause.touch()
    code, printed = run_to_end(command, output, environment)
    assert code == 1
    assert "units failed, more than engine.max_failed=0.1 allows" in printed
    assert "Traceback" not in printed
    dataengine(output, *command, "--max-failed", "0.5", **environment)
    failed = samples_of(run_dir).query("status == 'failed'")
    assert set(failed["error"]) == {"the licence server refused"}

    files = [argument for file in STAGE_FILES for argument in ("--stages", str(file))]
    cause.unlink()
    printed = dataengine(output, "retry", run_dir, *files, *sources, **environment)
    assert f"{failed['unit_id'].nunique()} windows were tried again; 0 still have failures" in printed
    assert comparable(run_dir) == comparable(tmp_path / "undisturbed")
    assert set(results(run_dir).values()) >= set(shards_of(tmp_path / "undisturbed").values())


def comparable(run_dir: Path) -> dict[str, dict[str, object]]:
    """The samples, but for the parts that hold them: a retry makes parts of its own."""
    rows = samples_of(run_dir).drop(columns=["part_tar", "audio_offset", "shard"])
    return {row["sample_id"]: row for row in rows.astype(str).to_dict("records")}


def shards_of(run_dir: Path) -> dict[str, str]:
    return {name: digest for name, digest in results(run_dir).items() if name.startswith("shards/")}
