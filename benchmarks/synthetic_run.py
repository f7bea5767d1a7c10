"""A run as its workers leave it, with as many rows as one likes: parts with drawn scores, no audio but a little."""

from __future__ import annotations

import json
import resource
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.engine.job import Job
from dataengine.engine.parts import COUNTS_KEY, SLICE_FIELD, WORK_KEY, Counts, Part
from dataengine.engine.plan import plan_file
from dataengine.engine.rehearsal import drawn_ids
from dataengine.engine.slice_work import StageWork, work_rows
from dataengine.engine.storage import Storage
from manifests.identity import stable_hash
from manifests.schema import (
    LOCATION_FIELDS,
    MANIFEST_FIELDS,
    MANIFEST_SCHEMA,
    PROMPT_FIELDS,
    PROVENANCE_FIELDS,
    VERDICT_FIELDS,
    versioned,
)

SCORES = tuple(f"score_{number}" for number in range(12))
LABELS = 500
MODELS = json.dumps({f"role_{n}": {"adapter": "drawn", "digest": stable_hash(str(n))} for n in range(8)})
SCHEMA = versioned(
    list(
        {
            field.name: field
            for field in (
                *MANIFEST_FIELDS,
                *PROMPT_FIELDS,
                *(pa.field(name, pa.float32()) for name in SCORES),
                *VERDICT_FIELDS,
                *LOCATION_FIELDS,
                *PROVENANCE_FIELDS,
            )
        }.values()
    )
)
AUDIO = b"fLaC" * 512
KEPT_ABOVE = 0.99
"""Of the first score: one row in a hundred is kept, and as many more are retained."""


def make_run(folder: Path, rows: int, rows_a_part: int) -> Job:
    """Write plan, parts and `run.json` of a run whose slices are all done; returns its job."""
    tar = "parts/00000/drawn.tar"
    slices = -(-rows // rows_a_part)
    _write(folder / tar, AUDIO * 100)
    _write(folder / plan_file(0), _parquet(MANIFEST_SCHEMA.empty_table()))
    for number in range(slices):
        count = min(rows_a_part, rows - number * rows_a_part)
        _write(folder / Part(number, stable_hash(str(number))).name, _parquet(_part(number, count, tar)))
    record = {
        "pipeline_digest": "0" * 32,
        "pipeline": {"stages": [], "sample_rate": 16_000},
        "manifest": {"uri": "drawn", "digest": "", "units": rows},
        "slice_units": rows_a_part,
        "slices": slices,
    }
    _write(folder / "run.json", json.dumps(record).encode())
    _write(folder / "pipeline.yaml", b"stages: []\npack: {}\n")
    return Job((), Storage.at(folder), SCHEMA, 16_000, 0, "0" * 32, MODELS, 8, epoch=1)


def peak_gigabytes() -> float:
    """Most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _part(number: int, rows: int, tar: str) -> pa.Table:
    rng = np.random.default_rng(number)
    scores = rng.random((len(SCORES), rows), np.float32)
    kept, stored = scores[0] > KEPT_ABOVE, scores[0] > 2 * KEPT_ABOVE - 1
    label = pa.array([f"sound {n}" for n in range(LABELS)]).take(pa.array(rng.integers(0, LABELS, rows)))
    ids = {name: drawn_ids(rng, rows) for name in ("unit_id", "recording_id", "sample_id")}
    failed = pa.array([[], ["score_0"]], pa.list_(pa.string())).take(pa.array((~kept).astype(np.int64)))
    columns = {
        **ids,
        **dict(zip(SCORES, map(pa.array, scores), strict=True)),
        "uri": pa.array([f"s3://recordings/{number:08d}/{row:05d}.flac" for row in range(rows)]),
        "start": pa.array(rng.integers(0, 3600, rows).astype(np.float64)),
        "duration": pa.array(np.full(rows, 10.0)),
        "text": label,
        "kind": _constant("text", rows),
        "licence": _constant("CC-BY-4.0", rows),
        "speech_prompt": pa.array(rng.random(rows) < 0.3),
        "kept": pa.array(kept),
        "retained": pa.array(stored),
        "failed_criteria": failed,
        "status": _constant("done", rows),
        "shard": _where(stored, tar),
        "part_tar": _where(stored, tar),
        "key": _where(stored, "key"),
        "audio_offset": pa.array(rng.integers(0, 99, rows) * len(AUDIO), mask=~stored),
        "audio_bytes": pa.array(np.full(rows, len(AUDIO)), mask=~stored),
        "gain": pa.array(np.ones(rows, np.float32), mask=~stored),
        "pipeline_digest": _constant("0" * 32, rows),
        "models": _constant(MODELS, rows),
        "slice": pa.array(np.full(rows, number, np.int32)),
    }
    schema = pa.schema([*SCHEMA, SLICE_FIELD], metadata=SCHEMA.metadata)
    table = pa.table(
        [columns[f.name] if f.name in columns else pa.nulls(rows, f.type) for f in schema], schema=schema
    )
    counts = Counts(units=rows, candidates=rows, kept=int(kept.sum()))
    work = [StageWork(number, f"stage_{n}", "all", rows, rows) for n in range(10)]
    return table.replace_schema_metadata(
        {
            **SCHEMA.metadata,
            COUNTS_KEY: json.dumps(asdict(counts)).encode(),
            WORK_KEY: json.dumps(work_rows(work)).encode(),
        }
    )


def _write(path: Path, content: bytes) -> None:
    """Without waiting for the disk, unlike the engine: this is not what is measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _constant(value: str, rows: int) -> pa.Array:
    return pa.array([value]).take(pa.array(np.zeros(rows, np.int64)))


def _where(mask: np.ndarray, value: str) -> pa.Array:
    return pa.array([value, None]).take(pa.array((~mask).astype(np.int64)))


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()
