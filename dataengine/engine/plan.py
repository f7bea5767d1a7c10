"""Planning: the manifest's units, in manifest order, cut into numbered slices.

The plan is a few Parquet files in which each row group is one slice, so that a worker anywhere reads
the units of a slice by its number, and nobody ever holds the list of all units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.engine.regroup import even_tables
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from manifests.identity import ID_BYTES, ID_PATTERN
from manifests.tables import open_table

SLICES_A_FILE = 256
PLAN_FOLDER = "plan"


@dataclass(frozen=True)
class Plan:
    """What there is to do."""

    units: int
    slices: int
    slice_units: int
    manifest_digest: str
    """Hash of the unit ids in manifest order."""


def plan_file(number: int) -> str:
    """Name of the plan's file with this number."""
    return f"{PLAN_FOLDER}/{number:05d}.parquet"


def write_plan(manifest: str, storage: Storage, slice_units: int) -> Plan:
    """Cut a manifest into slices of `slice_units` units (the last may be shorter) and write the plan.

    Planning the same manifest again gives the same files. Memory grows by 8 bytes a unit.

    Raises:
        UserError: the manifest is empty, names a unit twice, or has ids of another form than ours.
    """
    tally = _Tally()
    storage.remove(PLAN_FOLDER)
    with open_table(manifest) as source:
        batches = (_with_sound_ids(batch, manifest) for batch in source.iter_batches())
        slices = even_tables(map(tally.count, batches), slice_units)
        write_slices(storage, 0, source.schema_arrow, slices)
    if not tally.units:
        raise UserError("the manifest has no rows; index some recordings first", where=manifest)
    if tally.repeated():
        raise UserError("the manifest names a unit twice; make it with `dataengine index`", where=manifest)
    return Plan(tally.units, -(-tally.units // slice_units), slice_units, tally.digest.hexdigest())


def _with_sound_ids(batch: pa.RecordBatch, manifest: str) -> pa.Table:
    ids = batch.column("unit_id")
    sound = pc.fill_null(pc.match_substring_regex(ids, ID_PATTERN), False)
    if not pc.all(sound, min_count=0).as_py():
        (first,) = ids.filter(pc.invert(sound)).slice(0, 1).to_pylist()
        raise UserError(
            f"the manifest has a unit_id {first!r}, which is no id of ours; make it with `dataengine index`",
            where=manifest,
        )
    return pa.Table.from_batches([batch])


def manifest_digest(manifest: str) -> str:
    """The digest of a manifest as `Plan` holds it, to see whether a run's manifest has changed."""
    digest = _new_digest()
    with open_table(manifest) as source:
        for batch in source.iter_batches(columns=["unit_id"]):
            digest.update(_lines(batch.column("unit_id")).data)
    return digest.hexdigest()


def read_slice(storage: Storage, number: int) -> pa.Table:
    """The units of a slice, with all columns of the manifest."""
    file = _open(storage, plan_file(number // SLICES_A_FILE))
    return file.read_row_group(number % SLICES_A_FILE)


def plan_schema(storage: Storage) -> pa.Schema:
    """Columns of the manifest that was planned."""
    return _open(storage, plan_file(0)).schema_arrow


@lru_cache(maxsize=4)
def _open(storage: Storage, name: str) -> pq.ParquetFile:
    return pq.ParquetFile(storage.open(name))


def write_slices(storage: Storage, first: int, schema: pa.Schema, slices: Iterator[pa.Table]) -> None:
    """Write slices as files of the plan, the first of them under number `first` × `SLICES_A_FILE`."""
    for number, of_file in enumerate(_chunks(slices, SLICES_A_FILE), start=first):
        name = plan_file(number)
        with storage.temporary(name) as temporary:
            with pq.ParquetWriter(temporary, schema, compression="zstd", write_statistics=False) as writer:
                for table in of_file:
                    writer.write_table(table, row_group_size=table.num_rows)
            storage.publish(temporary, name)


def _chunks(slices: Iterator[pa.Table], size: int) -> Iterator[Iterator[pa.Table]]:
    """The slices, `size` at a time, each group consumed before the next is asked for."""
    for first in slices:
        yield chain([first], (table for _, table in zip(range(size - 1), slices, strict=False)))


class _Tally:
    """Counts and hashes the units that go by, and notices a unit that comes twice."""

    def __init__(self) -> None:
        self.units = 0
        self.digest = _new_digest()
        self._folded: list[np.ndarray[Any, np.dtype[np.uint64]]] = []

    def count(self, table: pa.Table) -> pa.Table:
        ids = table.column("unit_id").combine_chunks()
        lines = _lines(ids)
        self.units += len(ids)
        self.digest.update(lines.data)
        self._folded.append(_folded(lines))
        return table

    def repeated(self) -> bool:
        ids = np.sort(np.concatenate(self._folded))
        return bool((ids[1:] == ids[:-1]).any())


def _new_digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=ID_BYTES)


def _lines(ids: pa.Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The bytes of the ids, each followed by a line feed."""
    text = pa.large_string()
    lines = pc.binary_join_element_wise(ids.cast(text), pa.scalar("", text), pa.scalar("\n", text))
    _, offsets, content = lines.buffers()
    ends = np.frombuffer(offsets, np.int64)[lines.offset : lines.offset + len(lines) + 1]
    return np.frombuffer(content, np.uint8)[ends[0] : ends[-1]]


def _folded(lines: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """64 bits of each id, its two halves laid over each other: hashes themselves, they need no further hashing."""
    digits = lines.reshape(-1, 2 * ID_BYTES + 1)[:, :-1]
    nibbles = (digits & 0xF) + 9 * (digits >> 6)  # '0' is 0x30, 'a' is 0x61
    halves = (nibbles[:, ::2] << 4 | nibbles[:, 1::2]).view(np.uint64)
    folded: np.ndarray[Any, np.dtype[np.uint64]] = halves[:, 0] ^ halves[:, 1]
    return folded
