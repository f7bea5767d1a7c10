"""The funnel's numbers are those of the table."""

from __future__ import annotations

from dataengine.report.funnel import funnel_of

CRITERIA = ["target_level_db", "crossings", "sounding_speech", "residual_level_db"]


def test_windows_and_candidates_are_counted_apart(finished, rows):
    funnel = funnel_of(finished)
    done = rows[rows["status"] == "done"]
    assert funnel.units == rows["unit_id"].nunique() == 23
    assert funnel.failed_units == 2
    assert funnel.units_with_candidates == 21
    assert funnel.candidates == len(done) == 63
    assert funnel.kept == rows["kept"].sum() > 0
    assert funnel.packed == rows["shard"].fillna("").str.startswith("shards/").sum() > 0
    assert dict(funnel.left_out) == {"quota": (rows["left_out"] == "quota").sum()}


def test_each_step_counts_those_that_pass_all_criteria_so_far(finished, rows):
    failed = [set(names) for names in rows.loc[rows["status"] == "done", "failed_criteria"]]
    funnel = funnel_of(finished)
    assert [step.name for step in funnel.steps] == CRITERIA
    before = len(failed)
    for place, step in enumerate(funnel.steps):
        left = sum(not names & set(CRITERIA[: place + 1]) for names in failed)
        assert (step.remaining, step.removed) == (left, before - left)
        assert step.failing == sum(step.name in names for names in failed)
        assert step.failing_alone == sum(names == {step.name} for names in failed)
        before = left
    assert funnel.steps[-1].remaining == funnel.kept
    assert all(step.failing for step in funnel.steps)


def test_conditions_read_as_in_the_filter_file(finished):
    conditions = [step.condition for step in funnel_of(finished).steps]
    assert conditions[1] == "crossings > 0.035 when not speech_prompt"
    assert conditions[2] == "silence_ratio < 0.65 when speech_prompt"
