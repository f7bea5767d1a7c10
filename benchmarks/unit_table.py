"""Manifests of any length, of units that exist in name only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from manifests.schema import MANIFEST_SCHEMA
from manifests.tables import ROW_GROUP_ROWS, writing

WINDOW_SECONDS = 10.0
WINDOWS_A_RECORDING = 360


def write_unit_table(path: Path, units: int) -> None:
    """A manifest of `units` windows, some thousand rows at a time."""
    with writing(str(path), MANIFEST_SCHEMA) as writer:
        for start in range(0, units, ROW_GROUP_ROWS):
            writer.write_table(_rows(np.arange(start, min(start + ROW_GROUP_ROWS, units))))


def _rows(numbers: np.ndarray) -> pa.Table:
    recordings = numbers // WINDOWS_A_RECORDING
    ids = _ids(recordings, 1)
    columns = {
        "unit_id": _ids(numbers, 0),
        "recording_id": ids,
        "uri": [f"s3://recordings/{recording}.flac" for recording in recordings],
        "start": WINDOW_SECONDS * (numbers % WINDOWS_A_RECORDING),
        "duration": np.full(len(numbers), WINDOW_SECONDS),
        "recording_duration": np.full(len(numbers), WINDOW_SECONDS * WINDOWS_A_RECORDING),
        "licence": pa.repeat("CC0-1.0", len(numbers)),
        "never_train": np.zeros(len(numbers), bool),
    }
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(len(numbers), field.type)
        for field in MANIFEST_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=MANIFEST_SCHEMA)


def _ids(numbers: np.ndarray, kind: int) -> list[str]:
    """Numbers spread over the ids there are, as hashes would be, and no two alike."""
    mixed = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)  # the finaliser of SplitMix64
    return [f"{each:016x}{kind:016x}" for each in mixed.tolist()]
