"""The data contract: the columns of the manifest and of the samples table.

Both tables are Parquet; the schema's version stands in the file's metadata under `dataengine.schema`.
A manifest has one row a *unit* (a window of a recording), and one row for each file that could not be
read, with `error_type` and `error` set. A samples table has one row a *candidate*, one for each unit
that failed, and one for each unit without candidates (`kind` is then `unit`, `sample_id` the unit's id).
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = "1"
SCHEMA_KEY = b"dataengine.schema"

WAVEFORM = pa.large_list(pa.float32())
"""Type of a waveform column: mono, float32, full scale at ±1, one 1-D array a row. Never in a table."""

_BYTES = ("data", pa.large_list(pa.uint8()))

FRAMES = pa.dictionary(pa.int32(), pa.struct([_BYTES, ("shape", pa.list_(pa.int32(), 4))]))
"""Type of a column of video frames: uint8 [time, height, width, 3], RGB, one 4-D array a row. Never in a table.

A dictionary, since the candidates of a window share its frames."""

MASKS = pa.dictionary(pa.int32(), pa.struct([_BYTES, ("shape", pa.list_(pa.int32(), 3))]))
"""Type of a column of masks, one `manifests.masks.PackedMask` a row. Never in a table."""

ENCODED = pa.large_list(pa.uint8())
"""Type of a column of encoded files, one 1-D array of bytes a row. Never in a table."""

SPANS = pa.list_(pa.struct([("start", pa.float32()), ("end", pa.float32())]))
"""Seconds from the start of the window, sorted, not overlapping."""

FRAME_SCORES = pa.list_(pa.float32())
"""One score a frame; the seconds between frames stand beside it, in a column `…_hop_seconds`."""

HEAVY_TYPES = (WAVEFORM, FRAMES, MASKS, ENCODED)
"""Columns of these types leave a row as soon as it is rejected and not retained."""


def is_heavy(kind: pa.DataType) -> bool:
    """Whether a column of this type holds audio or video rather than facts about it."""
    return kind in HEAVY_TYPES


MANIFEST_FIELDS: tuple[pa.Field, ...] = (
    pa.field("unit_id", pa.string(), nullable=False),
    pa.field("recording_id", pa.string(), nullable=False),  # content identity
    pa.field("uri", pa.string(), nullable=False),
    pa.field("other_uris", pa.list_(pa.string())),  # further places with the same content
    pa.field("start", pa.float64()),  # seconds
    pa.field("duration", pa.float64()),  # seconds
    pa.field("recording_duration", pa.float64()),  # seconds
    pa.field("sample_rate", pa.int32()),  # Hz, as stored
    pa.field("channels", pa.int16()),
    pa.field("has_video", pa.bool_()),
    pa.field("container", pa.string()),  # wav, flac, ogg, mp4 …
    pa.field("bytes", pa.int64()),
    pa.field("licence", pa.string()),
    pa.field("never_train", pa.bool_()),  # its fingerprint is on a benchmark's list
    pa.field("error_type", pa.string()),
    pa.field("error", pa.string()),
)

PROMPT_FIELDS: tuple[pa.Field, ...] = (
    pa.field("sample_id", pa.string(), nullable=False),
    pa.field("kind", pa.string(), nullable=False),  # unit, text, span, visual; triplet, source: true stems
    pa.field("text", pa.string()),
    pa.field("text_source", pa.string()),  # names of the proposers, sorted, joined by "+"
    pa.field("text_confidence", pa.float32()),  # 0..1, highest of the proposers'
    pa.field("speech_prompt", pa.bool_()),  # the prompt asks for speech
    pa.field("spans", SPANS),
    pa.field("event_type", pa.string()),  # spiky or continuous
    pa.field("mask_reference", pa.string()),  # member of the part or shard that holds the mask
    pa.field("mask_coverage", pa.float32()),  # 0..1, share of the frame that the mask covers
    pa.field("audio_visual", pa.float32()),  # −1..1, target against the masked region
)

VERDICT_FIELDS: tuple[pa.Field, ...] = (
    pa.field("kept", pa.bool_(), nullable=False),
    pa.field("retained", pa.bool_(), nullable=False),  # audio kept for a later selection
    pa.field("failed_criteria", pa.list_(pa.string())),
    pa.field("criteria_not_evaluated", pa.list_(pa.string())),  # of a row that a cascade gave up early
    pa.field("status", pa.string(), nullable=False),  # done, empty, failed
    pa.field("last_stage", pa.string()),  # where the row left the pipeline; null if it went through all of it
    pa.field("stage", pa.string()),  # the stage that failed
    pa.field("error_type", pa.string()),
    pa.field("error", pa.string()),
    pa.field("traceback", pa.string()),
)

LOCATION_FIELDS: tuple[pa.Field, ...] = (
    pa.field("shard", pa.string()),  # tar, relative to the run directory; null if no audio is stored
    pa.field("key", pa.string()),  # the members' common stem
    pa.field("left_out", pa.string()),  # why it is in no shard: quota, near_duplicate, never_train, no_audio
    pa.field("part_tar", pa.string()),  # tar of the part that holds the audio as it was committed
    pa.field("audio_offset", pa.int64()),  # first byte of the row's members in that tar
    pa.field("audio_bytes", pa.int64()),  # headers and padding included
    pa.field("gain", pa.float32()),  # what the stored stems were multiplied with
)

PROVENANCE_FIELDS: tuple[pa.Field, ...] = (
    pa.field("pipeline_digest", pa.string(), nullable=False),
    pa.field("models", pa.string(), nullable=False),  # JSON: role → adapter, version, digest, licence
    pa.field("round", pa.int32()),
)

STATUS_DONE = "done"
STATUS_EMPTY = "empty"
STATUS_FAILED = "failed"

KIND_UNIT = "unit"
KIND_TEXT = "text"
KIND_TRIPLET = "triplet"
KIND_SOURCE = "source"


def versioned(fields: list[pa.Field]) -> pa.Schema:
    """A schema that carries the version of this contract in its metadata."""
    return pa.schema(fields, metadata={SCHEMA_KEY: SCHEMA_VERSION.encode()})


MANIFEST_SCHEMA = versioned(list(MANIFEST_FIELDS))
"""The manifest's own columns; columns of the user's metadata table follow them under their own names."""
