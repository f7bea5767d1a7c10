"""Rehearsing what the driver does alone: planning, finishing and packing, with rows and audio made after a run's.

Each step is done by the engine's own code, in a temporary folder, as small as it can be and at a size at which it
takes seconds. The line through the two tells what it costs once and for each unit, row or byte more: in the finishing
of a small run little is seen but what every run pays once.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.engine.arrow_stream import to_stream
from dataengine.engine.compaction import compact_folder
from dataengine.engine.copying import Range
from dataengine.engine.database import database
from dataengine.engine.finish import finish
from dataengine.engine.job import Job
from dataengine.engine.packing import MEGABYTE
from dataengine.engine.parts import PARTS_A_FOLDER, SLICE_FIELD, Part, committed_parts
from dataengine.engine.plan import plan_file, plan_schema, write_plan
from dataengine.engine.result_files import write_results
from dataengine.engine.results import SHARDS_FOLDER, Place
from dataengine.engine.settings import PackSettings
from dataengine.engine.shard_writers import OpenWriters, ShardWriters, writers_here
from dataengine.engine.shards import SampleNotes
from dataengine.engine.storage import Storage
from manifests.flushing import flush
from manifests.identity import ID_BYTES, stable_hash
from manifests.temporary import TemporaryFolder

SLICES = 256
"""That are planned and finished at most, if the run that is asked about has as many; and of what they hold:"""
UNITS = 50_000
ROWS = 50_000
BYTES = 256_000_000
"""That are packed at most."""
SAMPLES_HANDED_OUT = 10_000
"""At most."""
EXAMPLE_PARTS = 64
EXAMPLE_ROWS = 2000
"""Rows that are read, unless `EXAMPLE_PARTS` hold fewer."""
EXAMPLE_SAMPLES = 32
SAMPLES_A_TAR = 64
SHARDS = 8
"""At least, so that one is copied while another is flushed."""
DRAWN = frozenset({"unit_id", "recording_id", "sample_id", "uri"})
CHARACTERS_THAT_DIFFER = 8
"""At the end of a recording's name."""
STORED = ("shard", "key", "part_tar", "audio_offset", "audio_bytes")
"""Columns that say where a row's audio lies."""


@dataclass(frozen=True)
class Line:
    """Seconds that a step takes."""

    once: float
    each: float

    def at(self, count: float) -> float:
        """For so many."""
        return self.once + self.each * count


@dataclass(frozen=True)
class Rehearsal:
    """What the driver's own steps take on this machine."""

    folder: str
    """Where it was tried."""
    planning: Line
    """Each: a unit."""
    finishing: Line
    """Each: a row of the samples table."""
    packing: Line | None
    """Each: a byte of shards, written by this machine; None if the run stored no audio."""
    handing_out: Line | None
    """What the driver does itself where nodes of a cluster write the shards. Each: a byte of shards."""


@dataclass(frozen=True)
class Example:
    """What the rows of a run look like."""

    units: pa.Table
    """Rows with the columns of the manifest."""
    rows: pa.Table
    """Rows of parts."""
    footer: dict[bytes, bytes]
    """What the first part says of itself."""
    audio: tuple[bytes, ...]
    """Of each row of `stored`, as its part holds it."""
    stored: pa.Table
    """Some rows with audio, kept ones if there are any."""

    @classmethod
    def of(cls, run: Storage) -> Example:
        """Read some parts of a run."""
        tables: list[pa.Table] = []
        for part in islice(committed_parts(run), EXAMPLE_PARTS):
            with run.open(part.name) as file:
                tables.append(pq.read_table(file))
            if sum(table.num_rows for table in tables) >= EXAMPLE_ROWS:
                break
        rows = pa.concat_tables([table.replace_schema_metadata(None) for table in tables])
        has_audio = rows.filter(pc.is_valid(rows.column("part_tar")))
        kept_first = pc.sort_indices(has_audio, [("kept", "descending")])
        stored = has_audio.take(kept_first.slice(0, EXAMPLE_SAMPLES))
        places = stored.select(["part_tar", "audio_offset", "audio_bytes"]).to_pylist()
        audio = tuple(run.read_range(*Range(*place.values())) for place in places)
        manifest = plan_schema(run)
        units = rows.select(manifest.names).cast(manifest)
        return cls(units, rows, tables[0].schema.metadata, audio, stored)

    @property
    def schema(self) -> pa.Schema:
        """Of the samples table."""
        return pa.schema([field for field in self.rows.schema if field.name != SLICE_FIELD.name])

    @property
    def audio_bytes(self) -> float:
        """Of a stored row, on average."""
        return sum(map(len, self.audio)) / len(self.audio)

    @property
    def rows_a_unit(self) -> float:
        """Rows of parts."""
        return float(len(self.rows) / pc.count_distinct(self.rows.column("unit_id")).as_py())

    @property
    def kept_a_unit(self) -> float:
        """Kept samples."""
        kept = pc.sum(self.rows.column("kept"), min_count=0).as_py()
        return float(kept / len(self.rows) * self.rows_a_unit)


def rehearse(run: Storage, units: int, slice_units: int, pack: PackSettings) -> Rehearsal:
    """Try the driver's steps for a run of `units` units like those of `run`, in slices of `slice_units`.

    Raises OSError if the parts cannot be read, or the temporary folder has no room for about a gigabyte.
    """
    example = Example.of(run)
    rows_a_part = max(1, round(slice_units * example.rows_a_unit))
    slices = -(-units // slice_units)
    planned, parts = min(units, UNITS, SLICES * slice_units), min(slices, SLICES, max(1, ROWS // rows_a_part))
    planning = _line(planned, lambda folder, count: _plan(example, folder, count, slice_units))
    finishing = _line(
        parts,
        lambda folder, count: _finish(example, folder, count, rows_a_part, slices >= PARTS_A_FOLDER, pack),
    )
    packing = handing_out = None
    if example.audio:
        kept = max(1, round(units * example.kept_a_unit))
        packed = max(1, min(kept, round(BYTES / example.audio_bytes)))
        packing = _line_of_bytes(example, packed, pack, _pack)
        handing_out = _line_of_bytes(example, min(kept, SAMPLES_HANDED_OUT), pack, _hand_out)
    return Rehearsal(
        tempfile.gettempdir(),
        planning,
        Line(finishing.once, finishing.each / rows_a_part),
        packing,
        handing_out,
    )


def drawn_ids(rng: np.random.Generator, rows: int) -> pa.Array:
    """Ids as they could be."""
    digits = pa.py_buffer(rng.bytes(ID_BYTES * rows).hex().encode())
    offsets = pa.py_buffer(np.arange(0, 2 * ID_BYTES * rows + 1, 2 * ID_BYTES, dtype=np.int32))
    return pa.StringArray.from_buffers(rows, offsets, digits)


def _line(count: int, step: Callable[[Path, int], float]) -> Line:
    """What `step`, which returns its seconds, takes for one and for `count`; it is done once before, to be warm."""
    seconds = []
    for size in (1, 1, count):
        with TemporaryFolder() as folder:
            seconds.append(step(folder, size))
    _, one, all_of_them = seconds
    if count == 1 or all_of_them <= one:
        return Line(0.0, all_of_them / count)
    each = (all_of_them - one) / (count - 1)
    return Line(max(0.0, one - each), each)


def _plan(example: Example, folder: Path, units: int, slice_units: int) -> float:
    manifest = folder / "manifest.parquet"
    (table,) = _redrawn(example.units, units, units)
    pq.write_table(table, manifest)
    began = time.perf_counter()
    write_plan(str(manifest), Storage.at(folder), slice_units)
    return time.perf_counter() - began


def _finish(
    example: Example, folder: Path, parts: int, rows_a_part: int, compacted: bool, pack: PackSettings
) -> float:
    """Finish so many parts; the rows say of no audio, for it is rehearsed apart."""
    schema = pa.schema([*example.schema, SLICE_FIELD])
    rows = example.rows.select(schema.names)
    for name in STORED:
        rows = rows.set_column(
            schema.get_field_index(name), schema.field(name), pa.nulls(len(rows), schema.field(name).type)
        )
    storage = Storage.at(folder)
    for number, table in enumerate(_redrawn(rows, rows_a_part, parts * rows_a_part)):
        of_slice = pa.array(np.full(len(table), number, np.int32))
        table = table.set_column(schema.get_field_index(SLICE_FIELD.name), SLICE_FIELD, of_slice)
        _write_table(folder / Part(number, stable_hash(str(number))).name, table, example.footer)
    _write_table(folder / plan_file(0), example.units.slice(0, 0))
    job = Job((), storage, example.schema, 0, 0, "", "", 1, epoch=1)
    began = time.perf_counter()
    if compacted:
        compact_folder(storage, list(committed_parts(storage)), lambda: None)
    finish(job, parts, pack, writers_here, lambda *_: None, lambda: None)
    return time.perf_counter() - began


def _line_of_bytes(
    example: Example,
    samples: int,
    pack: PackSettings,
    step: Callable[[Example, Path, int, PackSettings], float],
) -> Line:
    """What `step` takes that packs so many samples, into `SHARDS` or more. Each: a byte of shards."""
    megabytes = min(pack.shard_megabytes, samples * example.audio_bytes / SHARDS / MEGABYTE)
    settings = pack.model_copy(update={"quota_per_label": None, "shard_megabytes": megabytes})
    line = _line(samples, lambda folder, count: step(example, folder, count, settings))
    return Line(line.once, line.each / example.audio_bytes)


def _pack(example: Example, folder: Path, samples: int, pack: PackSettings) -> float:
    """Pack so many samples whose audio lies on disk, not in memory."""
    tables = []
    for name, audio, table in _kept_rows(example, samples):
        _write_cold(folder / name, b"".join(audio))
        tables.append(table)
    return _write_shards(example, folder, tables, pack, writers_here)


def _hand_out(example: Example, folder: Path, samples: int, pack: PackSettings) -> float:
    """Pack so many samples whose shards others write."""
    tables = [table for _, _, table in _kept_rows(example, samples)]
    (folder / SHARDS_FOLDER).mkdir()
    return _write_shards(example, folder, tables, pack, _takers)


@contextmanager
def _takers() -> Iterator[ShardWriters]:
    """Writers that take what would be sent to a node, and write nothing of it."""

    def begin(place: Place, name: str, rows: pa.Table, notes: SampleNotes) -> Callable[[], None]:
        to_stream(rows)
        Path(place.storage.path(name)).touch()
        return lambda: None

    yield ShardWriters(1, begin)


def _kept_rows(example: Example, samples: int) -> Iterator[tuple[str, list[bytes], pa.Table]]:
    """So many kept rows, by the tar that their audio lies in, with its name and what it holds."""
    for number, table in enumerate(_redrawn(example.stored, SAMPLES_A_TAR, samples)):
        name = f"{number:08d}.tar"
        audio = [
            example.audio[(number * SAMPLES_A_TAR + row) % len(example.audio)] for row in range(len(table))
        ]
        sizes = np.array([len(each) for each in audio])
        columns: dict[str, Any] = {
            "part_tar": [name] * len(table),
            "audio_offset": np.cumsum(sizes) - sizes,
            "audio_bytes": sizes,
            "kept": [True] * len(table),
            "never_train": [False] * len(table),
        }
        for column, values in columns.items():
            field = table.schema.field(column)
            table = table.set_column(
                table.schema.get_field_index(column), field, pa.array(values, field.type)
            )
        yield name, audio, table


def _write_shards(
    example: Example, folder: Path, tables: list[pa.Table], pack: PackSettings, writers: OpenWriters
) -> float:
    """Seconds until the last shard is written; the samples table, which follows, belongs to finishing."""
    ends: list[float] = []

    def on_progress(what: str, done: int, total: int) -> None:
        if what == "shards":
            ends.append(time.perf_counter())

    notes = SampleNotes.of(example.schema, example.units.schema, 0)
    with database() as connection:
        connection.register("rows", pa.concat_tables(tables))
        place = Place(Storage.at(folder), "", "packed.json", lambda: None)
        began = time.perf_counter()
        write_results(connection, place, stable_hash(), 1, pack, example.schema, notes, writers, on_progress)
        return ends[-1] - began


def _redrawn(example: pa.Table, rows: int, total: int) -> Iterator[pa.Table]:
    """Tables of `rows` rows, `total` together, like those of the example again and again.

    Ids, names of recordings, and numbers that differ from row to row do so here too: what repeats takes less room
    and time.
    """
    rng = np.random.default_rng(0)
    drawn = [name for name in example.schema.names if name in DRAWN or _differs(example.column(name))]
    for start in range(0, total, rows):
        count = min(rows, total - start)
        table = example.take(pa.array(np.arange(start, start + count) % len(example)))
        for name in drawn:
            position, field = table.schema.get_field_index(name), table.schema.field(name)
            table = table.set_column(position, field, _drawn(rng, name, table.column(name)))
        yield table


def _differs(column: pa.ChunkedArray) -> bool:
    """Whether a column holds numbers, such as scores and fingerprints, that are seldom the same in two rows."""
    if not (pa.types.is_floating(column.type) or pa.types.is_uint64(column.type)):
        return False
    values = len(column) - column.null_count
    return bool(2 * pc.count_distinct(column).as_py() > values)


def _drawn(rng: np.random.Generator, name: str, column: pa.ChunkedArray) -> pa.Array:
    """Other values, null where the column is."""
    if name in DRAWN:
        ids = drawn_ids(rng, len(column))
        return ids if name != "uri" else _with_other_ends(column.combine_chunks(), ids)
    missing = pc.is_null(column).to_numpy()
    if pa.types.is_uint64(column.type):
        return pa.array(rng.integers(0, 2**64, len(column), np.uint64), mask=missing)
    return pa.array(rng.random(len(column)), column.type, mask=missing)


def _with_other_ends(names: pa.StringArray, ids: pa.StringArray) -> pa.StringArray:
    """Names as long as before that differ in their ends."""
    starts = pc.utf8_slice_codeunits(names, 0, -CHARACTERS_THAT_DIFFER)
    return pc.binary_join_element_wise(starts, pc.utf8_slice_codeunits(ids, 0, CHARACTERS_THAT_DIFFER), "")


def _write_table(path: Path, table: pa.Table, footer: dict[bytes, bytes] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(footer), path, compression="zstd")


def _write_cold(path: Path, content: bytes) -> None:
    """Write a file, and have the system forget what it holds of it, so that reading it takes the disk's time."""
    path.write_bytes(content)
    flush(path)
    if hasattr(os, "posix_fadvise"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
