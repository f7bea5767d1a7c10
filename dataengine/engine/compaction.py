"""Compacting: the parts of a full folder as one table, so that nothing need open a million files.

A slice is committed once, so a folder that is full never changes, and neither does its table. The parts stay:
whoever comes late still finds its slice committed, and a table that is lost can be made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.engine.parts import (
    COMPACTED_FOLDER,
    COUNTS_KEY,
    PARTS_A_FOLDER,
    WORK_KEY,
    Part,
    PartFolder,
    part_folders,
)
from dataengine.engine.regroup import even_tables
from dataengine.engine.storage import Storage
from manifests.identity import digest_of_ids

READERS = 16
PARTS_AHEAD = 256
ROWS_A_GROUP = 65_536

FOOTERS_SCHEMA = pa.schema(
    [("slice", pa.int32()), ("part_id", pa.string()), ("counts", pa.string()), ("work", pa.string())]
)


def compact(storage: Storage, check: Callable[[], None], most: int | None = None) -> None:
    """Write the tables of folders that are full and have none; of `most` folders at a time.

    `check` is called before a table gets its name; it raises if another driver has taken the run over.
    """
    full = [folder for folder in part_folders(storage) if len(folder.parts) == PARTS_A_FOLDER]
    for folder in full[:most]:
        compact_folder(storage, folder.parts, check)


def compact_folder(storage: Storage, parts: Sequence[Part], check: Callable[[], None]) -> None:
    """Write the tables of all parts of one folder; `check` as `compact` calls it."""
    digest = digest_of_ids(part.name for part in parts)
    folder = PartFolder(rows=f"{COMPACTED_FOLDER}/{parts[0].slice // PARTS_A_FOLDER:05d}-{digest}.parquet")
    footers: list[dict[str, Any]] = []
    assert folder.rows is not None
    with storage.temporary(folder.rows) as rows, storage.temporary(folder.footers) as noted:
        schema = _schema(storage, parts[0])
        with pq.ParquetWriter(rows, schema, compression="zstd") as writer:
            for table in even_tables(_rows(storage, parts, footers), ROWS_A_GROUP):
                writer.write_table(table.replace_schema_metadata(schema.metadata))
        pq.write_table(pa.Table.from_pylist(footers, FOOTERS_SCHEMA), noted, compression="zstd")
        check()
        storage.publish(noted, folder.footers)
        storage.publish(rows, folder.rows)


def _rows(storage: Storage, parts: Sequence[Part], footers: list[dict[str, Any]]) -> Iterator[pa.Table]:
    """Rows of the parts, in order; what their footers say is added to `footers` on the way."""
    with ThreadPoolExecutor(READERS) as readers:
        for start in range(0, len(parts), PARTS_AHEAD):
            some = parts[start : start + PARTS_AHEAD]
            for part, table in zip(some, readers.map(lambda each: _read(storage, each), some), strict=True):
                said = table.schema.metadata
                footers.append(
                    {
                        "slice": part.slice,
                        "part_id": part.part_id,
                        "counts": said[COUNTS_KEY].decode(),
                        "work": said[WORK_KEY].decode(),
                    }
                )
                yield table.replace_schema_metadata(None)


def _read(storage: Storage, part: Part) -> pa.Table:
    with storage.open(part.name) as file:
        return pq.read_table(file)


def _schema(storage: Storage, part: Part) -> pa.Schema:
    """The columns of parts, without what one part says of itself."""
    with storage.open(part.name) as file:
        schema = pq.read_schema(file)
    own = (COUNTS_KEY, WORK_KEY)
    return schema.with_metadata({k: v for k, v in schema.metadata.items() if k not in own})
