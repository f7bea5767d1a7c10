"""Rows in columns: what reading, joining and converting give."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.engine.batch import Batch
from manifests.masks import PackedMask
from manifests.schema import FRAMES, MASKS, WAVEFORM

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


def made_frames(seed: int, frames: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, 4, 5, 3), dtype=np.uint8)


def crossed(batch: Batch) -> Batch:
    """The batch on the other side of a group boundary."""
    table = batch.infer_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return Batch.from_arrow(pa.ipc.open_stream(sink.getvalue()).read_all())


def test_frames_and_masks_cross_a_group_boundary_unchanged():
    first, second, empty = made_frames(1), made_frames(2, frames=1), made_frames(3, frames=0)
    masks = [PackedMask.of(each[..., 0] % 2) for each in (first, second, empty)]
    given = Batch({"frames": [first, None, second, empty], "mask": [masks[0], masks[1], None, masks[2]]})
    table = given.infer_arrow()
    assert (table.schema.field("frames").type, table.schema.field("mask").type) == (FRAMES, MASKS)
    back = crossed(given)
    assert [each is None for each in back["frames"]] == [False, True, False, False]
    for place, frames in ((0, first), (2, second), (3, empty)):
        np.testing.assert_array_equal(back["frames"][place], frames)
    assert back["mask"][2] is None
    for place, mask in ((0, masks[0]), (1, masks[1]), (3, masks[2])):
        np.testing.assert_array_equal(back["mask"][place].unpacked(), mask.unpacked())


def test_rows_that_share_frames_share_them_after_a_group_boundary():
    frames = made_frames(1, frames=100)
    batch = Batch({"id": [1, 2], "frames": [frames, None]}).expand([0, 0, 0, 1])
    assert batch.infer_arrow().nbytes < 2 * frames.nbytes
    back = crossed(batch)["frames"]
    assert back[0] is back[1] is back[2]
    assert back[3] is None


def test_frames_of_rows_that_are_gone_do_not_cross_the_next_boundary():
    batch = Batch({"frames": [made_frames(1), made_frames(2), made_frames(1, frames=100)]})
    left = crossed(batch).where([True, True, False])
    assert left.infer_arrow().nbytes < 3 * made_frames(1).nbytes
    np.testing.assert_array_equal(crossed(left)["frames"][1], made_frames(2))


def test_what_has_crossed_is_cut_and_joined_without_copying_pixels():
    back = crossed(Batch({"frames": [made_frames(1), made_frames(2, frames=2)]}))
    joined = Batch.concat([back.slice(1, 2), back.slice(0, 1)])["frames"]
    for frames, origin in zip(joined, back["frames"][::-1], strict=True):
        np.testing.assert_array_equal(frames, origin)
        assert np.shares_memory(frames, origin)


def test_frames_that_crossed_apart_are_joined():
    apart = [crossed(Batch({"frames": [made_frames(seed)]})) for seed in (1, 2)]
    for frames, batch in zip(Batch.concat(apart)["frames"], apart, strict=True):
        assert np.shares_memory(frames, batch["frames"][0])


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
