"""A fork takes over from an earlier run what a changed pipeline would do alike, and ends where a fresh run ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_run import contents, samples_of

from dataengine import run
from dataengine.engine.footers import read_footers
from dataengine.engine.storage import Storage
from dataengine.errors import UserError

pytestmark = pytest.mark.usefixtures("ray_cluster")


def reused(run_dir: Path) -> list[int]:
    """Slices that were taken over."""
    return [footer.slice for footer in read_footers(Storage.at(run_dir)) if footer.counts.reused]


def assert_same(run_dir: Path, fresh: Path) -> None:
    assert contents(run_dir, "samples") == contents(fresh, "samples")
    assert contents(run_dir, "shards") == contents(fresh, "shards")
    tars = [{path.name for path in (each / "parts").rglob("*.tar")} for each in (run_dir, fresh)]
    assert tars[0] == tars[1]


@pytest.mark.parametrize("threshold", [0.6, 0.45])
def test_a_fork_ends_where_a_fresh_run_ends(threshold, cheap_run, cheap_pipeline, tmp_path):
    settings = ("stages.tone.fail_every=11", "deterministic=true")
    cheap_run(tmp_path / "old", 200, *settings, unreadable_every=40)
    changed = cheap_pipeline(200, *settings, f"stages.judge.threshold={threshold}", unreadable_every=40)
    run(changed, tmp_path / "fresh")
    summary = run(changed, tmp_path / "fork", fork=tmp_path / "old")
    assert_same(tmp_path / "fork", tmp_path / "fresh")
    slices = reused(tmp_path / "fork")
    if threshold == 0.6:  # nothing is kept or retained that was not
        assert len(slices) == 13
        assert summary.counts.reused == 200
    else:  # candidates between 0.225 and 0.25 are retained now, and their audio was not stored
        assert 0 < len(slices) < 13


def test_a_stage_that_is_new_is_done_on_what_the_table_holds(cheap_pipeline, tmp_path):
    run(cheap_pipeline(100, "stages.tone.fail_every=7"), tmp_path / "old")
    longer = "stages=[{tone: {fail_every: 7}}, propose, letters, halve, draw, judge]"
    run(cheap_pipeline(100, longer), tmp_path / "fresh")
    run(cheap_pipeline(100, longer), tmp_path / "fork", fork=tmp_path / "old")
    assert_same(tmp_path / "fork", tmp_path / "fresh")
    assert len(reused(tmp_path / "fork")) == 7
    assert samples_of(tmp_path / "fork").column("letters").null_count < 100


def test_a_fork_that_was_stopped_remembers_where_it_came_from(cheap_pipeline, tmp_path):
    run(cheap_pipeline(100), tmp_path / "old", limit=64)
    changed = cheap_pipeline(100, "stages.judge.threshold=0.7")
    run(changed, tmp_path / "fork", fork=tmp_path / "old", limit=32)
    assert reused(tmp_path / "fork") == [0, 1]
    run(changed, tmp_path / "fork")
    assert reused(tmp_path / "fork") == [0, 1, 2, 3]  # and the rest, which the old run had not done, in full
    run(changed, tmp_path / "fresh")
    assert_same(tmp_path / "fork", tmp_path / "fresh")
    facts = json.loads((tmp_path / "fork" / "run.json").read_text())
    assert facts["forked_from"]["run"] == str(tmp_path / "old")
    assert facts["forked_from"]["redone"] == ["judge"]
    with pytest.raises(UserError, match="not started as a fork"):
        run(changed, tmp_path / "fork", fork=tmp_path / "fresh")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("stages.tone.seconds_each=0.001", "stage tone .* comes before candidates are proposed"),
        ("seed=1", "seed has changed"),
        ("stages=[tone, propose, {halve: {share: 0.4}}, draw, judge]", "stage halve .* reads mixture"),
    ],
)
def test_a_change_that_leaves_nothing_to_take_over_is_said_at_once(
    override, reason, cheap_run, cheap_pipeline, tmp_path
):
    cheap_run(tmp_path / "old", 20)
    with pytest.raises(UserError, match=f"nothing of it can be taken over.*{reason}"):
        run(cheap_pipeline(20, override), tmp_path / "fork", fork=tmp_path / "old")
    assert not (tmp_path / "fork" / "run.json").exists()


def test_a_fork_of_other_units_is_refused(cheap_run, cheap_pipeline, tmp_path):
    cheap_run(tmp_path / "old", 20)
    with pytest.raises(UserError, match="other units"):
        run(cheap_pipeline(21), tmp_path / "fork", fork=tmp_path / "old")
    with pytest.raises(UserError, match="not a run directory"):
        run(cheap_pipeline(20), tmp_path / "fork", fork=tmp_path / "nowhere")
