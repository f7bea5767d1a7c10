"""What the run of conftest cost, divided by what it kept and among its candidates."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dataengine.report.cost import cost_of
from dataengine.report.status import status_of


@pytest.fixture(scope="module")
def work(run_dir) -> pd.DataFrame:
    """Rows and seconds by stage."""
    return (
        pq.read_table(run_dir / "log" / "work.parquet")
        .to_pandas()
        .groupby("stage")[["rows_in", "seconds"]]
        .sum()
    )


def test_a_kept_hour_costs_what_the_stages_took(finished, rows, work):
    cost = cost_of(finished)
    hours = rows.loc[rows["kept"], "duration"].sum() / 3600
    assert cost.kept_seconds == pytest.approx(hours * 3600)
    for stage in cost.stages:
        assert stage.per_kept_hour == pytest.approx(work.loc[stage.stage, "seconds"] / hours)
    assert cost.per_kept_hour > sum(stage.per_kept_hour for stage in cost.stages)


def test_status_and_summary_tell_it_too(finished, run_dir):
    by_stage = {stage.stage: pytest.approx(stage.per_kept_hour) for stage in cost_of(finished).stages}
    assert status_of(run_dir).seconds_per_kept_hour == by_stage
    assert json.loads((run_dir / "summary.json").read_text())["seconds_per_kept_hour"] == by_stage


def test_the_stages_time_is_shared_out_among_the_candidates(finished, rows, work):
    candidates = rows[rows["kind"] == "text"]
    through = candidates["last_stage"].isna()
    before_spans = work.drop(index="spans")["seconds"].sum() / len(candidates)
    to_the_end = before_spans + work.loc["spans", "seconds"] / through.sum()

    cost = cost_of(finished)
    assert cost.kept_candidates_seconds == pytest.approx(to_the_end * rows["kept"].sum())
    assert {each.name for each in cost.criteria} == set(candidates["failed_criteria"].explode().dropna())
    for each in cost.criteria:
        fails = candidates["failed_criteria"].map(lambda names, wanted=each.name: wanted in names)
        alone = fails & (candidates["failed_criteria"].map(len) == 1)
        seconds = through.map({True: to_the_end, False: before_spans})
        assert (each.candidates, each.alone) == (fails.sum(), alone.sum())
        assert each.seconds == pytest.approx(seconds[fails].sum())
        assert each.seconds_alone == pytest.approx(seconds[alone].sum())
