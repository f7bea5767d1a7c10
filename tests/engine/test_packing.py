"""Which samples go to which shard, by ids and settings alone."""

from __future__ import annotations

import duckdb
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from dataengine.engine.packing import assign_to_shards, near_duplicates
from dataengine.engine.settings import PackSettings
from manifests.identity import stable_hash


def kept_samples(count: int, *, labels: int = 3, size: int = 1000) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample_id": [stable_hash(str(n)) for n in range(count)],
            "text": [f"label {n % labels}" for n in range(count)],
            "kept": [True] * count,
            "never_train": [n % 10 == 0 for n in range(count)],
            "audio_bytes": [size + n for n in range(count)],
            "fingerprint": [n * 0x9E3779B97F4A7C1 % 2**63 for n in range(count)],
        }
    )


def assigned(rows: pd.DataFrame, settings: PackSettings) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        assign_to_shards(connection, settings)
        return connection.sql("SELECT * FROM assignment ORDER BY position").df()


@given(st.integers(1, 200), st.randoms(use_true_random=False), st.integers(1, 30))
def test_the_order_of_arrival_changes_nothing(count, random, quota):
    settings = PackSettings(shard_megabytes=0.02, quota_per_label=quota, near_duplicate_column="fingerprint")
    rows = kept_samples(count)
    order = list(range(count))
    random.shuffle(order)
    pd.testing.assert_frame_equal(
        assigned(rows, settings), assigned(rows.iloc[order].reset_index(drop=True), settings)
    )


@given(st.integers(1, 300), st.floats(0.002, 0.1))
def test_shards_are_full_even_and_in_order_of_the_shuffle(count, megabytes):
    rows = kept_samples(count)
    placed = assigned(rows, PackSettings(shard_megabytes=megabytes))
    packed = placed[placed["left_out"].isna()].merge(rows, on="sample_id", how="left")
    assert list(packed["shard"]) == sorted(packed["shard"])
    if not len(packed):
        return
    sizes = packed.groupby("shard")["audio_bytes"].sum()
    assert sizes.max() <= sizes.mean() + 2 * packed["audio_bytes"].max()
    assert set(packed["shard"]) <= set(range(int(packed["shard"].max()) + 1))


def test_never_train_and_quota_leave_samples_out_with_their_reason():
    placed = assigned(kept_samples(100, labels=2), PackSettings(quota_per_label=20)).set_index("sample_id")
    rows = kept_samples(100, labels=2).set_index("sample_id")
    assert (placed.loc[rows["never_train"], "left_out"] == "never_train").all()
    packed = placed[placed["left_out"].isna()].join(rows, how="left")
    assert packed.groupby("text").size().tolist() == [20, 20]
    assert (placed["left_out"] == "quota").sum() == 90 - 40


def test_near_duplicates_of_every_label_stay_out():
    rows = kept_samples(60).assign(fingerprint=[n // 2 * 0x9E3779B97F4A7C1 % 2**63 for n in range(60)])
    rows["text"] = [f"label {n // 2 % 3}" for n in range(60)]
    rows["never_train"] = False
    placed = assigned(rows, PackSettings(near_duplicate_column="fingerprint", near_duplicate_bits=0))
    by_fingerprint = rows.merge(placed, on="sample_id").groupby("fingerprint")
    for _, pair in by_fingerprint:
        first, second = pair.sort_values("sample_id")["left_out"]
        assert pd.isna(first)
        assert second == "near_duplicate"


def test_another_seed_gives_another_order():
    rows = kept_samples(50)
    one, two = (assigned(rows, PackSettings(shuffle_seed=seed)) for seed in (0, 1))
    assert set(one["sample_id"]) == set(two["sample_id"])
    assert list(one["sample_id"]) != list(two["sample_id"])


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2**64 - 1)), max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.lists(st.integers(0, 63), max_size=4)), max_size=30),
)
def test_near_duplicates_are_those_that_a_comparison_of_all_pairs_finds(rows, flips):
    for index, bits in flips:
        if index < len(rows):
            label, fingerprint = rows[index]
            for bit in bits:
                fingerprint ^= 1 << bit
            rows.append((label, fingerprint))
    accepted: list[int] = []
    expected = []
    for n, (label, fingerprint) in enumerate(rows):
        repeats = any(rows[m][0] == label and (rows[m][1] ^ fingerprint).bit_count() <= 3 for m in accepted)
        expected.append(repeats)
        if not repeats:
            accepted.append(n)
    for label in "ab":
        of_label = [n for n, row in enumerate(rows) if row[0] == label]
        repeated = near_duplicates([rows[n][1] for n in of_label], 3)
        assert repeated == [position for position, n in enumerate(of_label) if expected[n]]
