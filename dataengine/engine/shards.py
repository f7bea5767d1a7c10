"""Shards: WebDataset tars of kept samples, their audio copied byte for byte from parts."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.engine.copying import Range, append_ranges
from dataengine.engine.stems import tar_member
from dataengine.engine.storage import Storage
from manifests.schema import LOCATION_FIELDS, PROMPT_FIELDS

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
PROVENANCE = ("pipeline_digest", "licence", "round", "models")
FACTS = ("band_hz", "target_stems", "stem_phrases", "frames_hop_seconds")
"""What stages may have added about sound and pictures themselves: no scores."""
VISUAL_SCORES = ("mask_coverage", "audio_visual")
"""Scores that every samples table has; a sample of sound alone does not mention them."""
AUDIO = ("gain", "part_tar", "audio_offset", "audio_bytes")


@dataclass(frozen=True)
class SampleNotes:
    """What goes into a sample's JSON."""

    sample_rate: int
    scores: tuple[str, ...]
    facts: tuple[str, ...] = ()

    @classmethod
    def of(cls, samples: pa.Schema, manifest: pa.Schema, sample_rate: int) -> SampleNotes:
        """The notes of a run, from the columns of its samples table and of its manifest.

        Scores are the fractional numbers that stages have added: not what came with the manifest, and not
        fingerprints, which some readers of JSON cannot hold.
        """
        given = {*manifest.names, *FACTS, *(field.name for field in (*PROMPT_FIELDS, *LOCATION_FIELDS))}
        scores = [f.name for f in samples if pa.types.is_floating(f.type) and f.name not in given]
        return cls(sample_rate, tuple(scores), tuple(name for name in FACTS if name in samples.names))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the samples table that a shard is written from."""
        return tuple(
            dict.fromkeys(
                (*IDENTITY, *PROMPT, *self.facts, *VISUAL_SCORES, *self.scores, *PROVENANCE, *AUDIO)
            )
        )

    def json_of(self, row: dict[str, Any]) -> bytes:
        """The `.json` member of a sample."""
        return json.dumps(
            {
                **{name: row[name] for name in (*IDENTITY, *PROMPT, *self.facts)},
                "sample_rate": self.sample_rate,
                "gain": row["gain"],
                "scores": {
                    **{name: row[name] for name in VISUAL_SCORES if row[name] is not None},
                    **{name: row[name] for name in self.scores},
                },
                "provenance": {
                    "pipeline_digest": row["pipeline_digest"],
                    "licence": row["licence"],
                    "round": row["round"],
                    "models": json.loads(row["models"]),
                },
            },
            ensure_ascii=False,
        ).encode()


def write_shard(
    storage: Storage, name: str, rows: pa.Table, notes: SampleNotes, check: Callable[[], None]
) -> None:
    """Write one shard with these samples, in this order, unless it exists.

    `check` is called before the shard gets its name; what it raises leaves nothing behind.
    """
    samples = rows.to_pylist()
    ranges = [Range(row["part_tar"], row["audio_offset"], row["audio_bytes"]) for row in samples]
    with storage.temporary(name) as temporary:
        with temporary.open("wb", buffering=0) as sink:
            for row, _ in zip(samples, append_ranges(storage, ranges, sink.fileno()), strict=True):
                sink.write(tar_member(f"{row['sample_id']}.json", notes.json_of(row)))
            sink.write(b"\0" * 2 * tarfile.BLOCKSIZE)
        check()
        storage.publish(temporary, name)
