"""Examples are drawn by the seed alone, spread, and near their thresholds where they say so."""

from __future__ import annotations

import pytest

from dataengine.report.criteria_checks import checks_of
from dataengine.report.examples import choose_examples


@pytest.fixture(scope="module")
def groups(finished):
    return {group.name: group.rows for group in choose_examples(finished, 4, seed=0)}


def test_groups_hold_what_they_promise(groups):
    assert list(groups) == ["kept", "just-kept", "just-rejected", "rejected"]
    assert all(len(rows) == 4 for rows in groups.values())
    for name, rows in groups.items():
        assert all(row["kept"] == name.endswith("kept") for row in rows)
        assert all(row["shard"] is not None for row in rows)
    assert all(len(row["failed_criteria"]) == 1 for row in groups["just-rejected"])
    ids = [row["sample_id"] for rows in groups.values() for row in rows]
    assert len(set(ids)) == len(ids)


def test_draws_are_spread(groups):
    assert len({row["text"] for row in groups["kept"]}) == 3
    assert len({name for row in groups["rejected"] for name in row["failed_criteria"]}) >= 3


def test_the_seed_decides(finished, groups):
    again = {group.name: group.rows for group in choose_examples(finished, 4, seed=0)}
    assert again == groups
    others = {group.name: group.rows for group in choose_examples(finished, 4, seed=1)}
    assert others["just-kept"] == groups["just-kept"]
    assert others["kept"] != groups["kept"]


def test_close_calls_are_the_closest_of_their_label(finished, groups, rows):
    done = rows[rows["status"] == "done"]
    deviations = {c.score: done[c.score].std() for c in finished.criteria}

    def margin(row):
        asked = [check for check in checks_of(row, finished.criteria) if check.applies]
        signed = [
            (c.value - c.threshold) * (1 if c.comparison == ">" else -1) / deviations[c.score] for c in asked
        ]
        return min(signed)

    for name, group in groups.items():
        if not name.startswith("just"):
            continue
        with_audio = done[done["shard"].notna() & (done["kept"] == (name == "just-kept"))]
        eligible = with_audio[with_audio["failed_criteria"].map(len) <= 1].to_dict("records")
        for text in {row["text"] for row in group}:
            closest = min((row for row in eligible if row["text"] == text), key=lambda row: abs(margin(row)))
            assert closest["sample_id"] in {row["sample_id"] for row in group}
