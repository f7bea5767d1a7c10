"""From facts of files to the rows of a manifest: one recording a content, one row a window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.identity import stable_hash, unit_id
from manifests.metadata import Metadata
from manifests.never_train import AUDIO_DIGEST, NeverTrain
from manifests.probing import FACTS_SCHEMA
from manifests.schema import MANIFEST_FIELDS, versioned
from manifests.windows import windows

RECORDINGS_A_BATCH = 8192
UNITS_A_PORTION = 65_536
"""Rows of a manifest that are held in memory: 8,192 recordings may have a handful of windows or millions."""

MANIFEST_TYPES = {field.name: field.type for field in MANIFEST_FIELDS}

_GROUP_BY_CONTENT = """
COPY (
    WITH known AS (
        SELECT files.*, coalesce(by_uri.row, by_name.row) AS metadata_row
        FROM read_parquet({facts}) files
        LEFT JOIN metadata by_uri ON by_uri.key = files.uri
        LEFT JOIN metadata by_name ON by_name.key = regexp_extract(files.uri, '[^/]*$')
    )
    SELECT
        min(uri) AS uri,
        list(uri ORDER BY uri)[2:] AS other_uris,
        {first_uris_facts},
        arg_min(metadata_row, uri) AS metadata_row,
        list(metadata_row) FILTER (metadata_row IS NOT NULL) AS metadata_rows
    FROM known
    GROUP BY coalesce(recording_id, uri)
    ORDER BY min(uri)
) TO {recordings} (FORMAT parquet)
"""
"""A recording takes the metadata of its first URI that has any: arg_min passes over nulls."""


@dataclass(frozen=True)
class UnitRules:
    """How recordings become units."""

    window_seconds: float
    minimum_seconds: float
    licence: str | None
    """Of recordings whose metadata names none."""
    metadata: Metadata | None
    never_train: NeverTrain
    audio_digests: bool
    """Whether the manifest has a column with the digest of the audio."""

    def schema(self) -> pa.Schema:
        """The manifest's own columns, then the metadata's."""
        digest = [pa.field(AUDIO_DIGEST, pa.string())] if self.audio_digests else []
        own = self.metadata.columns.schema if self.metadata else []
        return versioned([*MANIFEST_FIELDS, *digest, *own])


def group_by_content(facts: Path, metadata: Metadata | None, folder: Path) -> Iterator[pa.RecordBatch]:
    """Recordings in order of their URIs, one for all files of the same content, one for each unreadable file.

    `facts` is a Parquet file of `FACTS_SCHEMA`; sorting and grouping spill into `folder`, so that any number
    of files fits. To the columns of the facts come `other_uris`, `metadata_row` (the row that is joined) and
    `metadata_rows` (the rows of all its files).
    """
    import duckdb

    target = folder / "recordings.parquet"
    keys = metadata.keys if metadata else []
    with duckdb.connect(config={"temp_directory": str(folder)}) as database:
        database.register(
            "metadata",
            pa.table({"key": pa.array(keys, pa.string()), "row": pa.array(range(len(keys)), pa.int64())}),
        )
        database.execute(
            _GROUP_BY_CONTENT.format(
                facts=_literal(facts),
                recordings=_literal(target),
                first_uris_facts=", ".join(
                    f"arg_min({name}, uri) AS {name}" for name in FACTS_SCHEMA.names if name != "uri"
                ),
            )
        )
    with pq.ParquetFile(target) as file:
        yield from file.iter_batches(RECORDINGS_A_BATCH)


def portions(recordings: pa.RecordBatch, window_seconds: float) -> Iterator[pa.RecordBatch]:
    """Recordings in pieces of about `UNITS_A_PORTION` units; one that has more is a piece of its own."""
    seconds = recordings["recording_duration"].to_numpy(zero_copy_only=False)
    units = np.cumsum(np.nan_to_num(seconds) // window_seconds + 1)
    edges = np.flatnonzero(np.diff(units // UNITS_A_PORTION)) + 1
    for start, stop in pairwise([0, *edges.tolist(), recordings.num_rows]):
        yield recordings.slice(start, stop - start)


def units_of(recordings: pa.RecordBatch, rules: UnitRules) -> pa.Table:
    """The manifest's rows for some recordings: a row a window, or one row that says why there is none."""
    marks = [
        None if identity is None else rules.never_train.marks(identity, digest)
        for identity, digest in zip(
            recordings["recording_id"].to_pylist(), recordings["audio_digest"].to_pylist(), strict=True
        )
    ]
    cut = _cut(recordings, rules)
    parents = pa.array([row.parent for row in cut], pa.int64())
    found = pa.Table.from_batches([recordings]).append_column("never_train", pa.array(marks, pa.bool_()))
    found = found.append_column("licence", _licences(recordings["metadata_row"], rules)).take(parents)
    for name in ("unit_id", "recording_id", "start", "duration", "error_type", "error"):
        column = pa.array([getattr(row, name) for row in cut], MANIFEST_TYPES[name])
        place = found.schema.get_field_index(name)
        found = found.append_column(name, column) if place < 0 else found.set_column(place, name, column)
    if rules.metadata:
        own = rules.metadata.columns.take(found["metadata_row"])
        for name in own.column_names:
            found = found.append_column(name, own[name])
    return found.select(rules.schema().names).cast(rules.schema())


@dataclass(frozen=True)
class _Row:
    """What a unit has that its recording has not."""

    parent: int
    recording_id: str
    unit_id: str
    start: float | None = None
    duration: float | None = None
    error_type: str | None = None
    error: str | None = None


def _cut(recordings: pa.RecordBatch, rules: UnitRules) -> list[_Row]:
    rows: list[_Row] = []
    names = ("uri", "recording_id", "recording_duration", "error_type", "error")
    columns = (recordings[name].to_pylist() for name in names)
    for parent, (uri, recording_id, seconds, error_type, error) in enumerate(zip(*columns, strict=True)):
        identity = recording_id or stable_hash("unreadable", uri)
        cut = [] if error_type else windows(seconds, rules.window_seconds, rules.minimum_seconds)
        if not cut:
            if not error_type:
                error_type, error = (
                    "TooShortError",
                    f"{seconds:.3f} s long; a window has at least {rules.minimum_seconds:g} s",
                )
            rows.append(
                _Row(parent, identity, unit_id(identity, 0.0, 0.0), error_type=error_type, error=error)
            )
        rows.extend(_Row(parent, identity, unit_id(identity, *window), *window) for window in cut)
    return rows


def _licences(metadata_rows: pa.Array, rules: UnitRules) -> pa.Array:
    given = pa.nulls(len(metadata_rows), pa.string())
    if rules.metadata:
        given = rules.metadata.licences.take(metadata_rows)
    return given if rules.licence is None else given.fill_null(rules.licence)


def _literal(path: Path) -> str:
    """A path as SQL."""
    return "'" + str(path).replace("'", "''") + "'"
