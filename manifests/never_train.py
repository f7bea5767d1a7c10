"""Recordings that must never train: the fingerprints of a benchmark."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
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
    """Write the list of these files, unless it is there and newer than each of them.

    A file that cannot be read has a row without fingerprints.
    """
    if path.exists() and _is_of(path, files):
        return
    done, found = 0, []
    with Progress("Taking fingerprints", total=len(files), unit="files") as progress:
        for batch in probe_files(list(map(str, files)), Fingerprints(all=True)):
            found.append(batch)
            done += batch.num_rows
            progress.update(done)
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(pa.Table.from_batches(found, FACTS_SCHEMA), unfinished)
    os.replace(unfinished, path)


def _is_of(path: Path, files: Sequence[Path]) -> bool:
    listed = pq.read_table(path, columns=["uri"]).column("uri").to_pylist()
    written = path.stat().st_mtime
    return sorted(listed) == sorted(map(str, files)) and all(
        each.stat().st_mtime <= written for each in files
    )


def _checked(ids: frozenset[str], uri: str) -> frozenset[str]:
    """The ids, if that is what they are: a wrong list would protect nothing and say nothing."""
    for each in ids:
        if len(each) != 32 or not set(each) <= set("0123456789abcdef"):
            raise UserError(f"{each[:60]!r} is no recording id (32 hexadecimal digits)", where=uri)
    if not ids:
        raise UserError("the never-train list is empty", where=uri)
    return ids
