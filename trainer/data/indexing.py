"""The indexes of many shards, each made once and kept."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.errors import UserError
from manifests.identity import stable_hash
from manifests.progress import Progress
from manifests.remote import open_filesystem, storage_errors
from trainer.data.pools import Item
from trainer.data.shards import index_shard

AT_A_TIME = 8
INDEX_VERSION = "3"
"""Raised when an index holds other things than before."""
NAMES = ("other_names", "parts", "rest")

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("recording_id", pa.string()),
        pa.field("band_hz", pa.float64()),
        pa.field("sound", pa.string(), nullable=False),
        pa.field("other_names", pa.list_(pa.string())),
        pa.field("parts", pa.list_(pa.string())),
        pa.field("rest", pa.list_(pa.string())),
        pa.field(
            "members",
            pa.list_(pa.struct([("suffix", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])),
        ),
    ]
)


def shards_in(place: str) -> list[str]:
    """The tars that a path or URL names, sorted: one tar, a pattern, a folder of tars, or a run directory.

    Raises UserError if there is none.
    """
    filesystem, path = open_filesystem(place)
    try:
        with storage_errors(place):
            if glob.has_magic(path):
                found = filesystem.glob(path)
            elif not filesystem.isdir(path):
                found = [path]
            else:
                shards = f"{path.rstrip('/')}/shards"
                found = filesystem.find(shards if filesystem.isdir(shards) else path)
    except OSError as error:
        raise UserError(f"cannot list it: {error}", where=place) from error
    tars = sorted(str(each) for each in found if str(each).endswith(".tar"))
    if not tars:
        raise UserError("there are no shards (.tar) here", where=place)
    return [str(filesystem.unstrip_protocol(each)) if "://" in place else each for each in tars]


def index_shards(places: Sequence[str], cache: Path) -> list[Item]:
    """The items of all shards that the places name (see `shards_in`), in order.

    The index of a shard that has not changed is read from the folder `cache`.
    """
    shards = [shard for place in places for shard in shards_in(place)]
    cache.mkdir(parents=True, exist_ok=True)
    items: list[Item] = []
    with (
        ThreadPoolExecutor(AT_A_TIME) as threads,
        Progress("Indexing shards", total=len(shards), unit="shards") as progress,
    ):
        for done, found in enumerate(threads.map(lambda shard: _cached(shard, cache), shards), start=1):
            items += found
            progress.update(done, f"{len(items)} samples")
    return items


def _cached(shard: str, cache: Path) -> list[Item]:
    filesystem, path = open_filesystem(shard)
    try:
        with storage_errors(shard):
            version = str(filesystem.ukey(path))  # changes with size, time or ETag
    except FileNotFoundError as error:
        raise UserError("there is no such shard", where=shard) from error
    index = cache / f"{stable_hash('index of a shard', INDEX_VERSION, shard, version)}.parquet"
    if not index.exists():
        _write(index_shard(shard), index)
    return [
        Item(
            shard=shard,
            key=row["key"],
            text=row["text"],
            members=tuple((each["suffix"], each["offset"], each["size"]) for each in row["members"]),
            recording_id=row["recording_id"],
            band_hz=row["band_hz"],
            sound=row["sound"],
            **{name: tuple(row[name]) for name in NAMES},
        )
        for row in pq.read_table(index, schema=SCHEMA).to_pylist()
    ]


def _write(items: Sequence[Item], index: Path) -> None:
    """Whole or not at all: other processes may be looking for it."""
    rows = [
        {
            "key": item.key,
            "text": item.text,
            "recording_id": item.recording_id,
            "band_hz": item.band_hz,
            "sound": item.sound,
            **{name: list(getattr(item, name)) for name in NAMES},
            "members": [dict(zip(("suffix", "offset", "size"), each, strict=True)) for each in item.members],
        }
        for item in items
    ]
    handle, temporary = tempfile.mkstemp(dir=index.parent, suffix=".incomplete")
    with os.fdopen(handle, "wb") as file:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), file, compression="zstd")
    os.replace(temporary, index)
