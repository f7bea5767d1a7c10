"""Rows in columns: what reading, joining and converting give."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.engine.batch import Batch
from manifests.schema import WAVEFORM

waveforms = st.lists(
    st.one_of(
        st.none(), st.lists(st.floats(-1, 1, width=32), max_size=5).map(lambda v: np.array(v, np.float32))
    )
)


def test_a_column_reads_as_numbers_or_as_a_list():
    batch = Batch.from_arrow(
        pa.table({"whole": [1, 2], "real": [0.5, None], "text": ["a", None], "yes": [True, None]})
    )
    assert batch["whole"].tolist() == [1, 2]
    assert np.isnan(batch["real"][1])
    assert batch["text"] == ["a", None]
    assert batch["yes"] == [True, None]


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="other lengths"):
        Batch({"a": [1, 2], "b": [1]})


def test_an_unknown_column_is_named_with_what_there_is():
    with pytest.raises(KeyError, match=r"no column 'target'.*mixture"):
        Batch({"mixture": [None]})["target"]


@given(waveforms)
def test_waveforms_cross_a_group_boundary_unchanged(values):
    batch = Batch({"id": np.arange(len(values)), "mixture": values})
    table = batch.infer_arrow()
    back = Batch.from_arrow(table)
    if any(value is not None for value in values):
        assert table.schema.field("mixture").type == WAVEFORM
    for before, after in zip(values, back["mixture"], strict=True):
        assert (before is None) == (after is None)
        if before is not None:
            np.testing.assert_array_equal(before, after)


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_joining_keeps_rows_and_fills_what_is_missing(first, second):
    joined = Batch.concat([Batch({"a": first, "b": first}), Batch({"a": pa.array(second, pa.int64())})])
    assert list(joined["a"]) == first + second
    if first and second:
        assert list(joined["b"]) == first + [None] * len(second)


def test_rejection_adds_up_criteria_and_leaves_other_rows_alone():
    batch = Batch({"sample_id": ["a", "b", "c"]}).reject([True, False, False], "level")
    batch = batch.reject([True, True, False], "silence")
    assert batch["failed_criteria"] == [["level", "silence"], ["silence"], []]
    assert batch["kept"] == [False, False, None]


def test_a_value_of_the_wrong_type_names_its_column():
    with pytest.raises(TypeError, match=r"'score'.*float"):
        Batch({"score": ["high"]}).to_arrow(pa.schema([("score", pa.float32())]))


def test_nan_is_stored_as_not_computed():
    table = Batch({"score": np.array([np.nan, 1.0])}).to_arrow(pa.schema([("score", pa.float32())]))
    assert table["score"].to_pylist() == [None, 1.0]
