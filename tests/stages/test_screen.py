"""A screen gives up only what can become neither kept nor retained, whatever the missing scores are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.engine.batch import Batch
from stages.criteria import Criterion, FilterFile, decide
from stages.screen import Screen, audited

COLUMNS = ("a", "b", "c")
CONDITIONS = (None, "speech", "not speech")

criteria = st.builds(
    lambda score, threshold, below, when, closed: Criterion(
        score=score,
        **({"below": threshold} if below else {"above": 1e30 if closed else threshold}),
        when=when,
        name=f"{score} {threshold} {below} {when} {closed}",
    ),
    st.sampled_from(COLUMNS),
    st.sampled_from([0.2, 0.5, 0.8]),
    st.booleans(),
    st.sampled_from(CONDITIONS),
    st.booleans(),
)
filter_files = st.builds(
    FilterFile,
    criteria=st.lists(criteria, min_size=1, max_size=4, unique_by=lambda each: each.name).map(tuple),
    retain=st.lists(criteria, max_size=4, unique_by=lambda each: each.name).map(tuple),
    audit_share=st.sampled_from([0.0, 0.3, 1.0]),
)
scores = st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 0.9]))
rows = st.lists(
    st.tuples(scores, scores, scores, st.sampled_from([True, False, None])), min_size=1, max_size=8
)


def batch_of(values: list[tuple[float | None, float | None, float | None, bool | None]]) -> Batch:
    *numbers, speech = zip(*values, strict=True)
    columns = {name: pa.array(each, pa.float32()) for name, each in zip(COLUMNS, numbers, strict=True)}
    ids = [f"{place:032x}" for place in range(len(values))]
    return Batch({"sample_id": ids, "speech": pa.array(speech, pa.bool_()), **columns})


def survives(filters: FilterFile, batch: Batch, seed: int) -> np.ndarray:
    """Kept, or retained: by the looser list or by the audit."""
    columns = {name: batch.raw(name) for name in filters.columns}
    kept = decide(filters.criteria, columns, len(batch)).passed
    survivors = kept | audited(batch["sample_id"], ~kept, filters.audit_share, seed)
    return survivors | decide(filters.retain, columns, len(batch)).passed if filters.retain else survivors


@given(filter_files, rows, st.sets(st.sampled_from([*COLUMNS, "speech"])), st.integers(0, 3))
def test_nothing_is_given_up_that_could_survive(filters, values, known, seed):
    batch = batch_of(values)
    answer = Screen(filters, seed, frozenset(known))(batch.select(["sample_id", *known]))
    kept = answer["kept"] if "kept" in answer else [None] * len(batch)
    given_up = np.array([each is not None for each in kept])
    assert not (given_up & survives(filters, batch, seed)).any()


@given(filter_files, rows, st.integers(0, 3))
def test_everything_is_given_up_that_cannot_survive_once_all_is_known(filters, values, seed):
    batch = batch_of(values)
    screen = Screen(filters, seed, frozenset([*COLUMNS, "speech"]))
    columns = {name: batch.raw(name) for name in filters.columns}
    assert (screen.hopeless(columns, batch["sample_id"]) == ~survives(filters, batch, seed)).all()


def test_what_was_evaluated_is_told_from_what_was_not():
    filters = FilterFile(
        criteria=(
            Criterion(score="a", above=0.5),
            Criterion(score="b", above=0.5),
            Criterion(score="c", above=1e30, when="not speech", name="nothing but speech"),
        )
    )
    batch = batch_of([(0.9, 0.9, 0.9, True), (0.1, 0.9, 0.9, True), (0.9, 0.9, 0.9, False)])
    answer = Screen(filters, 0, frozenset(["a", "speech"]))(batch.without(["b", "c"]))
    assert answer["kept"] == [None, False, False]
    assert answer["failed_criteria"] == [None, ["a"], ["nothing but speech"]]
    assert answer["criteria_not_evaluated"] == [None, ["b"], ["b"]]


def test_nothing_is_given_up_before_the_looser_list_can_be_asked():
    filters = FilterFile(
        criteria=(Criterion(score="a", above=0.5),), retain=(Criterion(score="b", above=0.1),)
    )
    batch = batch_of([(0.1, 0.0, 0.0, True)])
    assert "kept" not in Screen(filters, 0, frozenset(["a"]))(batch)
    assert Screen(filters, 0, frozenset(["a", "b"]))(batch)["kept"] == [False]


@pytest.mark.parametrize(("side", "closed"), [({"above": 1e30}, True), ({"below": 1e30}, False)])
def test_a_closed_criterion_is_one_that_nothing_passes(side, closed):
    assert Criterion(score="a", **side).is_closed is closed
