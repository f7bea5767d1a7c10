"""Finishing: interrupted anywhere, overtaken by another driver, read while it goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cheap_runs import cheap_pipelines
from test_run import contents, samples_of

from dataengine import run
from dataengine.engine import lease as lease_module
from dataengine.engine import results as results_module
from dataengine.engine.grouping import group_stages
from dataengine.engine.job import Job
from dataengine.engine.lease import Lease, LeaseLostError
from dataengine.engine.messages import SliceReport
from dataengine.engine.plan import plan_schema
from dataengine.engine.stage_call import Suspects
from dataengine.engine.storage import Storage
from dataengine.engine.worker_process import GroupWork, SliceRequest, SliceWorker
from dataengine.report.run_directory import RunDirectory

UNITS = 120
OTHER_PACKING = ("pack.shuffle_seed=7", "pack.shard_megabytes=0.05")


@pytest.fixture(scope="module")
def made(cheap_run, tmp_path_factory) -> tuple[Path, Callable]:
    """A finished run, and what makes pipelines for it."""
    folder = tmp_path_factory.mktemp("finished")
    return cheap_run(folder / "run", UNITS), cheap_pipelines(folder)


@pytest.fixture
def run_dir(made, tmp_path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "run"))


@pytest.fixture
def pipelines(made) -> Callable:
    return made[1]


def results(run_dir: Path) -> dict[str, bytes]:
    return {**contents(run_dir, "samples"), **contents(run_dir, "shards")}


def at_check(monkeypatch: pytest.MonkeyPatch, number: int, action: Callable[[], None]) -> list[int]:
    """Have something happen the `number`th time that a driver asks whether it still has the run."""
    calls = [0]

    def check(self: Lease) -> None:
        calls[0] += 1
        if calls[0] == number:
            action()

    monkeypatch.setattr(Lease, "check", check)
    return calls


def die() -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_finish_that_stops_anywhere_leaves_results_whole_and_is_done_again(
    run_dir, pipelines, tmp_path, monkeypatch
):
    other = pipelines(UNITS, *OTHER_PACKING)
    old = results(run_dir)
    undisturbed = shutil.copytree(run_dir, tmp_path / "undisturbed")
    steps = at_check(monkeypatch, 0, die)
    run(other, undisturbed)
    new = results(undisturbed)
    assert len(new) > 4
    seen = set()
    for step in range(1, steps[0] + 1):
        stopped = shutil.copytree(run_dir, tmp_path / f"stopped at {step}")
        at_check(monkeypatch, step, die)
        with pytest.raises(KeyboardInterrupt):
            run(other, stopped)
        named = RunDirectory.at(stopped).results
        whole = {Path(name).name: (stopped / name).read_bytes() for name in (*named.samples, *named.shards)}
        assert whole in (old, new)
        seen.add(whole == new)
        run(other, stopped)
        assert results(stopped) == new
        shutil.rmtree(stopped)
    assert seen == {False, True}


def test_a_driver_that_was_overtaken_changes_nothing(run_dir, pipelines, monkeypatch):
    newer = pipelines(UNITS, *OTHER_PACKING)

    def overtake() -> None:
        monkeypatch.undo()
        monkeypatch.setattr(lease_module, "SECONDS_UNTIL_STALE", 0.0)
        run(newer, run_dir)

    def check(self: Lease) -> None:
        if not overtaken:
            overtaken.append(self)
            overtake()
        original(self)

    original, overtaken = Lease.check, list[Lease]()
    monkeypatch.setattr(Lease, "check", check)
    with pytest.raises(LeaseLostError, match="has taken over"):
        run(pipelines(UNITS, "pack.shuffle_seed=3"), run_dir)
    assert_finished_as(run_dir, newer)


def test_a_driver_that_wakes_behind_its_last_check_cannot_take_the_results_back(
    run_dir, pipelines, monkeypatch
):
    newer, older = pipelines(UNITS, *OTHER_PACKING), pipelines(UNITS, "pack.shuffle_seed=3")
    real_swap = results_module.swap

    def overtaken_swap(*arguments):
        monkeypatch.undo()
        monkeypatch.setattr(lease_module, "SECONDS_UNTIL_STALE", 0.0)
        run(newer, run_dir)
        return real_swap(*arguments)

    monkeypatch.setattr(results_module, "swap", overtaken_swap)
    with pytest.raises(LeaseLostError, match="meanwhile"):
        run(older, run_dir)
    monkeypatch.undo()
    pointed = json.loads((run_dir / "finish.json").read_text())
    assert pointed["epoch"] == 3
    assert {path.name for path in (run_dir / "shards").iterdir()} == {Path(n).name for n in pointed["shards"]}
    assert_finished_as(run_dir, newer)


def assert_finished_as(run_dir: Path, pipeline) -> None:
    """The run's results are those of a pipeline, and running it changes none of them."""
    before = {path: path.stat().st_mtime_ns for path in run_dir.glob("s*s/*")}
    run(pipeline, run_dir)
    assert {path: path.stat().st_mtime_ns for path in run_dir.glob("s*s/*")} == before


def test_debris_stays_until_no_writer_can_come_any_more(pipelines, made, tmp_path):
    run(pipelines(UNITS), tmp_path / "run", limit=40)
    parts = tmp_path / "run" / "parts" / "00000"
    committed = next(parts.glob("*.tar"))
    debris = [
        parts / "00000007-0123456789abcdef0123456789abcdef-0123456789abcdef.tar",  # its table may still come
        parts / f"{committed.name.rpartition('-')[0]}-0123456789abcdef.tar",  # its table came from another
        parts / "tmpwriter.incomplete",
        tmp_path / "run" / "tmpdriver.incomplete",
        tmp_path / "run" / "lease" / "tmpdriver.incomplete",
    ]
    for file in debris:
        file.write_bytes(b"left behind")
        os.utime(file, (0, 0))
    (tmp_path / "run" / "lease" / "tmpyoung.incomplete").touch()  # perhaps somebody is writing it
    run(pipelines(UNITS), tmp_path / "run", limit=50)
    assert all(file.exists() for file in debris)
    run(pipelines(UNITS), tmp_path / "run")
    assert not any(file.exists() for file in debris)
    assert (tmp_path / "run" / "lease" / "tmpyoung.incomplete").exists()
    assert results(tmp_path / "run") == results(made[0])
    tars = set(samples_of(tmp_path / "run")["part_tar"].drop_null().to_pylist())
    assert {f"parts/00000/{path.name}" for path in parts.glob("*.tar")} == tars


def test_files_that_nobody_names_are_removed_from_results(run_dir, pipelines):
    before = results(run_dir)
    for name in ("samples/00009-elsewhere.parquet", "shards/tmp.incomplete"):
        (run_dir / name).write_bytes(b"left behind")
    run(pipelines(UNITS), run_dir)
    assert results(run_dir) == before


def test_results_that_were_removed_by_hand_are_made_again(run_dir, pipelines):
    before = results(run_dir)
    next((run_dir / "shards").iterdir()).unlink()
    run(pipelines(UNITS), run_dir)
    assert results(run_dir) == before


def test_a_run_is_read_while_it_is_finished_anew(run_dir, pipelines):
    reader = RunDirectory.at(run_dir)
    before = reader.query("SELECT count(*), count(*) FILTER (kept) FROM samples")
    run(pipelines(UNITS, *OTHER_PACKING), run_dir)
    assert reader.query("SELECT count(*), count(*) FILTER (kept) FROM samples") == before
    (named,) = reader.query("SELECT count(DISTINCT shard) FROM samples WHERE shard LIKE 'shards/%'")
    assert named == (len(list((run_dir / "shards").iterdir())),)


def test_a_run_in_a_folder_that_looks_like_a_pattern(pipelines, made, tmp_path):
    run(pipelines(UNITS), tmp_path / "run [0-9]*")
    assert results(tmp_path / "run [0-9]*") == results(made[0])


def test_a_worker_that_comes_too_late_takes_its_audio_away(pipelines, tmp_path):
    run(pipelines(UNITS), tmp_path / "run", limit=16)
    folder = tmp_path / "run" / "parts" / "00000"
    before = contents(folder.parent, "00000")
    (table,) = folder.glob("*.parquet")
    hidden = table.rename(tmp_path / table.name)

    def commit_meanwhile(stage: str, rows: list[str]) -> None:
        if not stage and hidden.exists():  # the worker is about to commit
            hidden.rename(table)

    other = pipelines(UNITS, "stages.judge.threshold=0.9")  # stores less audio
    storage = Storage.at(tmp_path / "run")
    digest = json.loads((tmp_path / "run" / "run.json").read_text())["pipeline_digest"]
    schema = other.sample_schema(plan_schema(storage))
    job = Job(other.stages, storage, schema, 16_000, 0, digest, "{}", 4, epoch=1)
    (group,) = group_stages(job.stages, None)
    worker = SliceWorker(GroupWork(job, group, first=True, last=True), commit_meanwhile)
    report = SliceReport.from_json(worker.do(SliceRequest(0, Suspects(), given=1)))
    assert report.counts is not None
    assert report.counts.retained > 0
    assert contents(folder.parent, "00000") == before
