"""Manifests of recordings that do not exist, and pipelines of cheap stages over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine import Pipeline
from manifests.identity import unit_id
from manifests.schema import MANIFEST_SCHEMA

CHEAP_STAGES = Path(__file__).with_name("cheap_stages.py")


def write_manifest(path: Path, units: int, unreadable_every: int = 0) -> Path:
    rows = [
        {
            "unit_id": unit_id(f"recording {n}", 0, 1),
            "recording_id": f"recording {n}",
            "uri": f"memory:{n}",
            "start": 0.0,
            "duration": 1.0,
            "licence": "CC0-1.0",
            "never_train": n % 50 == 0,
            "error_type": "CorruptMediaError" if unreadable_every and n % unreadable_every == 1 else None,
            "error": "no header" if unreadable_every and n % unreadable_every == 1 else None,
        }
        for n in range(units)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA), path)
    return path


def cheap_pipelines(folder: Path) -> Callable[..., Pipeline]:
    """What makes pipelines: `cheap_pipelines(folder)(units, "engine.slice_units=8", …)`."""

    def load(units: int, *overrides: str, unreadable_every: int = 0) -> Pipeline:
        manifest = write_manifest(folder / f"manifest-{units}.parquet", units, unreadable_every)
        file = folder / "cheap.yaml"
        file.write_text(
            "stages: [tone, propose, halve, draw, judge]\n"
            "pack: {shard_megabytes: 0.5}\n"
            "engine: {slice_units: 16, micro_batch_units: 4, workers: 1}\n"  # each takes seconds to start
        )
        return Pipeline.load(file, [f"input={manifest}", *overrides], [str(CHEAP_STAGES)])

    return load
