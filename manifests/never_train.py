"""Recordings that must never train: the fingerprints of a benchmark."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.errors import UserError
from manifests.given_tables import read_entries, read_given_table
from manifests.probing import FACTS_SCHEMA, Fingerprints, probe_files
from manifests.progress import Progress

AUDIO_DIGEST = "audio_digest"
"""Column with `manifests.content.audio_digest`; a manifest has it when indexed with fingerprints."""


@dataclass(frozen=True)
class NeverTrain:
    """Fingerprints that mark a recording; an empty list marks none."""

    recording_ids: frozenset[str] = frozenset()
    audio_digests: frozenset[str] = frozenset()
    lengths: frozenset[tuple[int, int]] = frozenset()
    """(sample rate, frames) of the recordings with an audio digest: only those need decoding to compare."""

    def marks(self, recording_id: str, audio_digest: str | None) -> bool:
        """Whether a recording is on the list."""
        return recording_id in self.recording_ids or audio_digest in self.audio_digests


def read_never_train(uri: str) -> NeverTrain:
    """Read a list: .txt with a recording id a line, or a table with a column `recording_id`.

    A manifest of the benchmark, made with `dataengine index --fingerprint`, is such a table and also
    recognises lossless copies under another format. Raises UserError if it is no list.
    """
    if uri.lower().endswith(".txt"):
        return NeverTrain(recording_ids=_checked(frozenset(read_entries(uri, "")), uri))
    table = read_given_table(uri, ("recording_id", AUDIO_DIGEST))
    names = set(table.column_names)
    if "recording_id" not in names:
        raise UserError(
            "a never-train list needs a column 'recording_id'; index the benchmark to get one", where=uri
        )
    ids = _checked(frozenset(filter(None, table.column("recording_id").to_pylist())), uri)
    if not {AUDIO_DIGEST, "sample_rate", "recording_duration"} <= names:
        return NeverTrain(recording_ids=ids)
    columns = (table.column(name).to_pylist() for name in (AUDIO_DIGEST, "sample_rate", "recording_duration"))
    known = [(digest, rate, seconds) for digest, rate, seconds in zip(*columns, strict=True) if digest]
    return NeverTrain(
        recording_ids=ids,
        audio_digests=frozenset(digest for digest, _, _ in known),
        lengths=frozenset((rate, round(seconds * rate)) for _, rate, seconds in known),
    )


def write_never_train(path: Path, files: Sequence[Path]) -> None:
    """Write the list of these files; what an earlier list says of files that are older than it stays.

    A file that cannot be read has a row without fingerprints.
    """
    listed = pq.read_table(path) if path.exists() else FACTS_SCHEMA.empty_table()
    known = set(_unchanged(path, files))
    kept = listed.filter(pc.is_in(listed["uri"], pa.array(sorted(known), pa.string())))
    missing = [each for each in map(str, files) if each not in set(kept["uri"].to_pylist())]
    if path.exists() and not missing and kept.num_rows == listed.num_rows:
        return
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(pa.concat_tables([kept, _fingerprints(missing)]), unfinished)
    os.replace(unfinished, path)


def _fingerprints(files: Sequence[str]) -> pa.Table:
    found: list[pa.RecordBatch] = []
    if files:
        with Progress("Taking fingerprints", total=len(files), unit="files") as progress:
            for batch in probe_files(files, Fingerprints(all=True)):
                found.append(batch)
                progress.update(sum(each.num_rows for each in found))
    return pa.Table.from_batches(found, FACTS_SCHEMA)


def _unchanged(path: Path, files: Sequence[Path]) -> Iterator[str]:
    """The files that were not written since the list was."""
    written = path.stat().st_mtime if path.exists() else -math.inf
    return (str(each) for each in files if each.stat().st_mtime <= written)


def _checked(ids: frozenset[str], uri: str) -> frozenset[str]:
    """The ids, if that is what they are: a wrong list would protect nothing and say nothing."""
    for each in ids:
        if len(each) != 32 or not set(each) <= set("0123456789abcdef"):
            raise UserError(f"{each[:60]!r} is no recording id (32 hexadecimal digits)", where=uri)
    if not ids:
        raise UserError("the never-train list is empty", where=uri)
    return ids
