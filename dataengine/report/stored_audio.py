"""Audio of a sample, out of the tar that holds it."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import soundfile

from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.models.roles import Waveform
from manifests.media.errors import MediaError
from manifests.media.stems import decode_flac

STEMS = ("mix", "target", "residual")
MAX_STEM_BYTES = 128 * 1024 * 1024
MAX_STEM_SECONDS = 600.0


@dataclass(frozen=True)
class StoredStem:
    """One stem as it is stored."""

    name: str
    content: bytes = field(repr=False)
    """FLAC."""
    waveform: Waveform = field(repr=False)
    """The same, decoded."""
    sample_rate: int


class StoredAudio:
    """Finds members of a run's tars; what a tar holds is looked up once."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._places: dict[str, dict[str, tuple[int, int]]] = {}

    def stems(self, row: dict[str, Any]) -> list[StoredStem]:
        """The stems of a row of the samples table that are stored; none if its audio was not kept.

        Raises UserError if the tar is missing, is no shard of ours, or holds what is no audio.
        """
        shard, key = row["shard"], row["key"]
        if shard is None or key is None:
            return []
        places = self._members(shard)
        return [
            _decoded(self._storage, shard, name, places[member])
            for name in STEMS
            if (member := f"{key}.{name}.flac") in places
        ]

    def _members(self, shard: str) -> dict[str, tuple[int, int]]:
        if shard not in self._places:
            self._places[shard] = members_of_tar(self._storage, shard)
        return self._places[shard]


def members_of_tar(storage: Storage, name: str) -> dict[str, tuple[int, int]]:
    """Offset and length of the content of each file in a tar of the run.

    Only plain files are looked for: shards hold nothing else, so links, devices and extended headers are
    refused rather than followed. Raises UserError for a tar that is missing or is not of this kind.
    """
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or place.suffix != ".tar":
        raise UserError(f"a row names {name!r} as its shard, which is no tar of this run", where=storage.root)
    try:
        size = storage.size(name)
        with storage.open(name) as file:
            return _read_headers(file, size)
    except FileNotFoundError as error:
        raise UserError("this tar is missing from the run", where=storage.path(name)) from error
    except (tarfile.HeaderError, ValueError) as error:
        raise UserError(
            f"not a tar that this run can have written: {error}", where=storage.path(name)
        ) from error


def _read_headers(file: Any, size: int) -> dict[str, tuple[int, int]]:
    members: dict[str, tuple[int, int]] = {}
    offset = 0
    while offset + tarfile.BLOCKSIZE <= size:
        file.seek(offset)
        block = file.read(tarfile.BLOCKSIZE)
        if block.count(b"\0") == tarfile.BLOCKSIZE:
            break
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        content = offset + tarfile.BLOCKSIZE
        if not info.isreg() or info.size < 0 or content + info.size > size:
            raise ValueError(f"member {info.name!r} is no plain file, or longer than the tar")
        members[info.name] = (content, info.size)
        offset = content + -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    return members


def _decoded(storage: Storage, shard: str, name: str, place: tuple[int, int]) -> StoredStem:
    offset, length = place
    where = f"{storage.path(shard)}, {name}"
    if length > MAX_STEM_BYTES:
        raise UserError(f"a stem of {length:,} bytes is more than a window can need", where=where)
    content = storage.read_range(shard, offset, length)
    try:
        if soundfile.info(io.BytesIO(content)).duration > MAX_STEM_SECONDS:
            raise UserError(f"a stem longer than {MAX_STEM_SECONDS:g} s", where=where)
        return StoredStem(name, content, *decode_flac(content))
    except (soundfile.LibsndfileError, MediaError) as error:
        raise UserError(f"cannot be decoded: {error}", where=where) from error
