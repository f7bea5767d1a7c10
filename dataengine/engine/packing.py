"""Deciding which kept samples go to shards, and to which: pure functions of ids and settings."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from dataengine.engine.settings import PackSettings

LEFT_OUT_NEVER_TRAIN = "never_train"
LEFT_OUT_NEAR_DUPLICATE = "near_duplicate"
LEFT_OUT_QUOTA = "quota"

MEGABYTE = 1_000_000


def assign_to_shards(kept: pd.DataFrame, settings: PackSettings) -> pd.DataFrame:
    """Give every kept sample its place, or the reason why it has none.

    Args:
        kept: one row a kept sample with stored audio: `sample_id, text, never_train, audio_bytes` and, if
            the settings name one, the column of fingerprints; in any order.
        settings: the pipeline's `pack:` section.

    Returns:
        One row a sample in the order of packing: `sample_id`, `left_out` (None if packed), `shard` (number,
        −1 if left out) and `position` in the global shuffle. It depends on nothing but the arguments' content.
    """
    rows = kept.sort_values("sample_id", ignore_index=True)
    left_out = pd.Series([None] * len(rows), dtype=object)
    left_out[rows["never_train"].fillna(False).astype(bool)] = LEFT_OUT_NEVER_TRAIN
    if settings.near_duplicate_column:
        candidates = rows[left_out.isna()]
        repeated = near_duplicates(
            candidates["text"].fillna("").to_numpy(),
            candidates[settings.near_duplicate_column].to_numpy(dtype=np.uint64),
            settings.near_duplicate_bits,
        )
        left_out[candidates.index[repeated]] = LEFT_OUT_NEAR_DUPLICATE
    rows = rows.assign(
        left_out=left_out, order=[_shuffled(settings.shuffle_seed, i) for i in rows["sample_id"]]
    )
    rows = rows.sort_values("order", ignore_index=True)
    if settings.quota_per_label:
        free = rows["left_out"].isna()
        rank = rows[free].groupby(rows.loc[free, "text"].fillna("")).cumcount()
        rows.loc[rank.index[rank >= settings.quota_per_label], "left_out"] = LEFT_OUT_QUOTA
    packed = rows["left_out"].isna()
    sizes = rows["audio_bytes"].where(packed, 0).to_numpy(dtype=np.int64)
    shards = _even_shards(sizes, settings.shard_megabytes * MEGABYTE)
    return pd.DataFrame(
        {
            "sample_id": rows["sample_id"],
            "left_out": rows["left_out"],
            "shard": np.where(packed, shards, -1),
            "position": np.arange(len(rows)),
        }
    )


def near_duplicates(
    labels: np.ndarray[Any, Any], fingerprints: np.ndarray[Any, Any], bits: int
) -> np.ndarray[Any, Any]:
    """Mask of rows that repeat an earlier row: same label, fingerprints at most `bits` ≤ 3 bits apart.

    Fingerprints that differ in at most three bits agree in one of their four 16-bit quarters, so only rows
    that share a quarter are compared.
    """
    repeated = np.zeros(len(labels), dtype=bool)
    first_with: dict[tuple[str, int, int], list[int]] = {}
    for row, (label, fingerprint) in enumerate(zip(labels, fingerprints.tolist(), strict=True)):
        keys = [(label, quarter, fingerprint >> (16 * quarter) & 0xFFFF) for quarter in range(4)]
        earlier = {other for key in keys for other in first_with.get(key, ())}
        if any((fingerprint ^ int(fingerprints[other])).bit_count() <= bits for other in earlier):
            repeated[row] = True
            continue
        for key in keys:
            first_with.setdefault(key, []).append(row)
    return repeated


def _shuffled(seed: int, sample: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{sample}".encode(), digest_size=16).digest()


def _even_shards(sizes: np.ndarray[Any, Any], limit: float) -> np.ndarray[Any, Any]:
    """Shard numbers that cut a row of sizes into the fewest pieces of about the same size."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    count = max(1, int(np.ceil(total / limit)))
    middles = ends - sizes / 2
    return np.minimum((middles * count / max(total, 1)).astype(np.int64), count - 1)
