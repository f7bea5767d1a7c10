"""Shards: WebDataset tars of kept samples, their audio copied byte for byte from parts."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.engine.job import Job
from dataengine.engine.parts import tar_member
from dataengine.engine.storage import Storage
from manifests.schema import PROMPT_FIELDS

SHARDS_FOLDER = "shards"

IDENTITY = ("sample_id", "unit_id", "recording_id", "uri", "start", "duration")
PROMPT = (
    "kind",
    "text",
    "text_source",
    "text_confidence",
    "speech_prompt",
    "spans",
    "event_type",
    "mask_reference",
)


def shard_name(number: int, count: int) -> str:
    """Path of a shard in the run directory; the count makes a missing one visible."""
    return f"{SHARDS_FOLDER}/shard-{number:06d}-of-{count:06d}.tar"


@dataclass(frozen=True)
class SampleNotes:
    """What a sample's JSON tells besides its row."""

    sample_rate: int
    scores: tuple[str, ...]
    pipeline_digest: str

    @classmethod
    def of(cls, job: Job) -> SampleNotes:
        """The notes of a job: the scores are the fractional numbers that its stages add, not fingerprints."""
        prompt = {field.name for field in PROMPT_FIELDS}
        scores = [
            name
            for stage in job.stages
            for name, kind in stage.columns_added().items()
            if name not in prompt and pa.types.is_floating(kind)
        ]
        return cls(job.sample_rate, tuple(scores), job.pipeline_digest)

    def json_of(self, row: dict[str, Any]) -> bytes:
        """The `.json` member of a sample."""
        return json.dumps(
            {
                **{name: row[name] for name in (*IDENTITY, *PROMPT)},
                "sample_rate": self.sample_rate,
                "gain": row["gain"],
                "scores": {name: row[name] for name in self.scores},
                "provenance": {
                    "pipeline_digest": self.pipeline_digest,
                    "licence": row["licence"],
                    "round": row["round"],
                    "models": json.loads(row["models"]),
                },
            },
            ensure_ascii=False,
        ).encode()


def write_shard(storage: Storage, name: str, rows: pa.Table, notes: SampleNotes) -> bool:
    """Write one shard with these samples, in this order, unless it exists; False if it does."""
    if storage.exists(name):
        return False
    with storage.temporary(name) as temporary:
        with temporary.open("wb") as sink:
            for row in rows.to_pylist():
                sink.write(storage.read_range(row["shard"], row["audio_offset"], row["audio_bytes"]))
                sink.write(tar_member(f"{row['sample_id']}.json", notes.json_of(row)))
            sink.write(b"\0" * 2 * tarfile.BLOCKSIZE)
        return storage.publish(temporary, name)
