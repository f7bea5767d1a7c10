"""Trying again what failed: each unit ends up in the table once, from its best attempt."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from cheap_runs import CHEAP_STAGES
from cheap_stages import number_of
from test_run import contents, samples_of

from dataengine import run
from dataengine.engine.attempts import attempts_of, plan_attempt
from dataengine.engine.part_rows import failed_units
from dataengine.engine.plan import Plan, read_slice
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.report.status import status_of
from dataengine.retry import retry

pytestmark = pytest.mark.usefixtures("ray_cluster")

UNITS = 150


@pytest.fixture(scope="module")
def cause_file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("retry") / "cause"


@pytest.fixture
def cause(cause_file: Path) -> Path:
    """The file that makes units fail."""
    cause_file.touch()
    return cause_file


@pytest.fixture
def failing_run(cheap_run, cheap_pipeline, tmp_path, cause):
    """A run with failed units, and its pipeline."""
    failing = ("stages.tone.fail_every=5", f"stages.tone.fail_while={cause}")
    run_dir = cheap_run(tmp_path / "run", UNITS, *failing, unreadable_every=40)
    return run_dir, cheap_pipeline(UNITS, *failing, unreadable_every=40)


def plan_of(run_dir: Path) -> Plan:
    facts = json.loads((run_dir / "run.json").read_text())
    return Plan(UNITS, facts["slices"], facts["slice_units"], "")


def retried(run_dir: Path):
    return retry(run_dir, [str(CHEAP_STAGES)])


def test_failed_units_are_done_once_the_cause_is_mended(failing_run, tmp_path, cause):
    run_dir, pipeline = failing_run
    plan_before = contents(run_dir, "plan")
    failed = samples_of(run_dir).to_pandas().query("stage == 'tone'")
    assert len(failed) > 10

    still_broken = retried(run_dir)
    assert (still_broken.tried, still_broken.still_failed) == (len(failed), len(failed))
    assert still_broken.summary.counts.units == UNITS
    cause.unlink()
    mended = retried(run_dir)
    assert (mended.tried, mended.still_failed, mended.unreadable) == (len(failed), 0, 4)

    run(pipeline, tmp_path / "never_failed")
    columns = [n for n in samples_of(run_dir).column_names if n not in ("shard", "part_tar", "audio_offset")]
    assert samples_of(run_dir).select(columns) == samples_of(tmp_path / "never_failed").select(columns)
    now, never_failed = (
        list(contents(way, "shards").values()) for way in (run_dir, tmp_path / "never_failed")
    )
    assert now == never_failed
    counts = json.loads((tmp_path / "never_failed" / "summary.json").read_text())["counts"]
    assert json.loads((run_dir / "summary.json").read_text())["counts"] == pytest.approx(counts)
    status = status_of(run_dir)
    assert (status.state, status.units, status.counts.units, status.counts.failed) == (
        "finished",
        UNITS,
        UNITS,
        4,
    )
    assert plan_before.items() <= contents(run_dir, "plan").items()


def test_an_attempt_that_fails_does_not_take_back_one_that_did_not(failing_run, cause):
    run_dir, _ = failing_run
    cause.unlink()
    retried(run_dir)
    good = samples_of(run_dir)
    unit = next(each for each in good["unit_id"].to_pylist() if number_of(each) % 5 == 0)
    plan_attempt(Storage.at(run_dir), plan_of(run_dir), pa.array([unit]), lambda: None)
    cause.touch()
    outcome = retried(run_dir)
    assert (outcome.tried, outcome.summary.counts.failed) == (1, 4)
    assert samples_of(run_dir).drop_columns("shard") == good.drop_columns("shard")


def test_a_run_goes_on_with_a_retry_that_was_planned_and_stopped(failing_run, cause):
    run_dir, pipeline = failing_run
    cause.unlink()
    storage = Storage.at(run_dir)
    failed, _ = failed_units(storage)
    (run_dir / "plan" / "00001.parquet").write_bytes(b"what a killed driver left of planning the same")
    attempt = plan_attempt(storage, plan_of(run_dir), failed, lambda: None)
    assert status_of(run_dir).state == "stopped"
    assert sum(read_slice(storage, number).num_rows for number in attempt.numbers) == len(failed)
    summary = run(pipeline, run_dir)
    assert summary.counts.failed == 4
    assert summary.counts.units == UNITS
    assert attempts_of(storage) == [attempt]


def test_a_limited_run_is_retried_without_the_rest(cheap_pipeline, tmp_path, cause):
    pipeline = cheap_pipeline(UNITS, "stages.tone.fail_every=5", f"stages.tone.fail_while={cause}")
    run(pipeline, tmp_path / "run", limit=32)
    cause.unlink()
    outcome = retried(tmp_path / "run")
    assert outcome.tried > 0
    assert (outcome.summary.counts.units, outcome.summary.counts.failed) == (32, 0)
    assert run(pipeline, tmp_path / "run").counts.units == UNITS


def test_nothing_failed_is_nothing_tried(cheap_run, tmp_path):
    cheap_run(tmp_path / "run", 20)
    before = contents(tmp_path / "run", "samples")
    assert retried(tmp_path / "run").tried == 0
    assert contents(tmp_path / "run", "samples") == before


def test_a_pipeline_that_gives_other_labels_now_is_refused(failing_run):
    run_dir, _ = failing_run
    text = (run_dir / "pipeline.yaml").read_text()
    (run_dir / "pipeline.yaml").write_text(text.replace("threshold: 0.5", "threshold: 0.6"))
    with pytest.raises(UserError, match="threshold"):
        retried(run_dir)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no run\.json"):
        retried(tmp_path)
    assert not list(tmp_path.iterdir())
