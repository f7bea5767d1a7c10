"""Deciding which kept samples go to shards, and to which: a function of ids and settings alone.

It is written in SQL, so that ten million samples cost seconds and what does not fit in memory is spilled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

import duckdb
import pyarrow as pa

from dataengine.engine.settings import PackSettings

LEFT_OUT_NEVER_TRAIN = "never_train"
LEFT_OUT_NEAR_DUPLICATE = "near_duplicate"
LEFT_OUT_QUOTA = "quota"

MEGABYTE = 1_000_000
ROWS_A_READ = 65_536

ASSIGNMENT = """
CREATE TABLE assignment AS
WITH shuffled AS (
    SELECT sample_id, coalesce(text, '') AS label, audio_bytes,
           CASE WHEN never_train THEN $never_train
                WHEN repeated.sample_id IS NOT NULL THEN $near_duplicate END AS reason,
           md5_number_upper($seed || ':' || sample_id) AS place
    FROM rows LEFT JOIN repeated USING (sample_id)
    WHERE kept AND audio_bytes IS NOT NULL
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY label, reason IS NULL ORDER BY place, sample_id) AS rank
    FROM shuffled
), chosen AS (
    SELECT sample_id, place, audio_bytes,
           CASE WHEN reason IS NULL AND rank > $quota THEN $over_quota ELSE reason END AS left_out
    FROM ranked
), sized AS (
    SELECT *, CASE WHEN left_out IS NULL THEN audio_bytes ELSE 0 END::HUGEINT AS size FROM chosen
), placed AS (
    SELECT *, sum(size) OVER () AS total,
           sum(size) OVER (ORDER BY place, sample_id ROWS UNBOUNDED PRECEDING) AS ending,
           row_number() OVER (ORDER BY place, sample_id) AS position
    FROM sized
), counted AS (
    SELECT *, greatest(1, ceil(total / $shard_bytes))::HUGEINT AS shards FROM placed
)
SELECT sample_id, left_out, position, shards::INTEGER AS shards,
       -- A sample goes where its middle falls when the row of all is cut into even pieces.
       CASE WHEN left_out IS NULL
            THEN least((2 * ending - size) * shards // (2 * total), shards - 1)::INTEGER END AS shard
FROM counted
"""


def assign_to_shards(connection: duckdb.DuckDBPyConnection, settings: PackSettings) -> None:
    """Give every kept sample with stored audio its place, or the reason why it has none.

    Reads table `rows`: `sample_id, text, kept, never_train, audio_bytes` and, if the settings name one, the
    column of fingerprints. Makes table `assignment`, one row a sample: `sample_id`, `left_out` (null if
    packed), `shard` (its number; null if left out), `shards` (how many there are) and `position` in the
    global shuffle. It depends on nothing but the content of rows and settings.
    """
    found = _near_duplicates(connection, settings.near_duplicate_column, settings.near_duplicate_bits)
    # All of them before the next query: a connection does one thing at a time.
    repeated = pa.chunked_array([pa.array(ids, pa.string()) for ids in found], pa.string())
    connection.register("repeated", pa.table({"sample_id": repeated}))
    connection.execute(
        ASSIGNMENT,
        {
            "never_train": LEFT_OUT_NEVER_TRAIN,
            "near_duplicate": LEFT_OUT_NEAR_DUPLICATE,
            "over_quota": LEFT_OUT_QUOTA,
            "seed": str(settings.shuffle_seed),
            "quota": settings.quota_per_label or 2**62,
            "shard_bytes": math.ceil(settings.shard_megabytes * MEGABYTE),
        },
    )


def _near_duplicates(
    connection: duckdb.DuckDBPyConnection, column: str | None, bits: int
) -> Iterator[list[str]]:
    """Ids of samples that repeat one with a smaller id, label by label; none without a column to tell by."""
    if column is None:
        return
    name = '"' + column.replace('"', '""') + '"'
    reader = connection.sql(
        f"SELECT coalesce(text, '') AS label, sample_id, {name} AS fingerprint FROM rows "  # noqa: S608
        f"WHERE kept AND audio_bytes IS NOT NULL AND NOT coalesce(never_train, false) AND {name} IS NOT NULL "
        "ORDER BY label, sample_id"
    ).to_arrow_reader(ROWS_A_READ)
    for _, of_label in groupby(_values(reader), key=lambda row: row[0]):
        rows = list(of_label)
        repeated = near_duplicates([fingerprint for _, _, fingerprint in rows], bits)
        if repeated:
            yield [rows[row][1] for row in repeated]


def _values(reader: pa.RecordBatchReader) -> Iterator[tuple[str, str, int]]:
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def near_duplicates(fingerprints: list[int], bits: int) -> list[int]:
    """Positions of the fingerprints that are at most `bits` ≤ 3 bits from an earlier one that is no repeat.

    Fingerprints that differ in at most three bits agree in one of their four 16-bit quarters, so only
    those that share a quarter are compared.
    """
    repeated: list[int] = []
    with_quarter: tuple[dict[int, list[int]], ...] = ({}, {}, {}, {})
    for position, fingerprint in enumerate(fingerprints):
        quarters = [fingerprint >> shift & 0xFFFF for shift in (0, 16, 32, 48)]
        earlier = (
            other
            for known, quarter in zip(with_quarter, quarters, strict=True)
            for other in known.get(quarter, ())
        )
        if any((fingerprint ^ other).bit_count() <= bits for other in earlier):
            repeated.append(position)
            continue
        for known, quarter in zip(with_quarter, quarters, strict=True):
            known.setdefault(quarter, []).append(fingerprint)
    return repeated
