"""Readers for the two containers that some packages keep their recordings in.

Both treat their input as hostile: every offset is checked against the length of the container, sizes
are bounded before anything is decompressed, and names are compared, never used as paths. Malformed
input raises `ContainerError` and nothing else.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

MAX_ENTRY_BYTES = 64 * 2**20
"""No recording of the catalogue is larger."""

_MAX_DEPTH = 32
_MAX_NODES = 100_000

_QT_DIRECTORY = 0x02
_QT_ZLIB = 0x01
_QT_ZSTD = 0x04


class ContainerError(ValueError):
    """The container is malformed, or uses a feature that no package of the catalogue uses."""


def qt_resources(container: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file in a Qt binary resource (`.rcc`, format versions 1 to 3).

    The format is that of `qresource.cpp` in Qt: a header, a tree of nodes (14 bytes each in version 1,
    22 with the time of change since version 2), a table of names and a table of data.
    """
    magic, version, tree, data, names = _unpack(">4s4I", container, 0)
    if magic != b"qres" or version not in (1, 2, 3):
        raise ContainerError("not a Qt resource of version 1, 2 or 3")
    node_bytes = 14 if version == 1 else 22
    pending: list[tuple[int, str, int]] = [(0, "", 0)]
    seen = 0
    while pending:
        index, parent, depth = pending.pop()
        seen += 1
        if seen > _MAX_NODES or depth > _MAX_DEPTH:
            raise ContainerError("the tree of the Qt resource is too large or has a cycle")
        node = tree + index * node_bytes
        name_offset, flags = _unpack(">IH", container, node)
        path = parent + _qt_name(container, names + name_offset) if index else ""
        if flags & _QT_DIRECTORY:
            count, first = _unpack(">II", container, node + 6)
            if count > _MAX_NODES:
                raise ContainerError(f"a directory of the Qt resource claims {count} entries")
            below = f"{path}/" if path else ""
            pending.extend((first + i, below, depth + 1) for i in reversed(range(count)))
        else:
            (data_offset,) = _unpack(">I", container, node + 10)
            yield path, _qt_data(container, data + data_offset, flags)


def openttd_sounds(container: bytes) -> Iterator[bytes]:
    """The RIFF file of each entry of an OpenTTD sound set (`.cat`), in order.

    A table of (offset, size) pairs, little endian, stands first; the first offset gives its length and
    the highest bit of each offset is a flag. An entry is a Pascal string (description, author, licence)
    followed by `size` bytes of RIFF.
    """
    (first,) = _unpack("<I", container, 0)
    count = (first & 0x7FFFFFFF) // 8
    if not 0 < count <= _MAX_NODES:
        raise ContainerError(f"the sound set claims {count} entries")
    for index in range(count):
        offset, size = _unpack("<II", container, index * 8)
        start = offset & 0x7FFFFFFF
        (name_bytes,) = _unpack("<B", container, start)
        riff = _slice(container, start + 1 + name_bytes, size)
        if riff[:4] != b"RIFF":
            raise ContainerError(f"entry {index} of the sound set is not a RIFF file")
        yield riff


def _unpack(layout: str, container: bytes, offset: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, container, offset)
    except struct.error as error:
        raise ContainerError(
            f"the container ends before byte {offset} + {struct.calcsize(layout)}"
        ) from error


def _slice(container: bytes, start: int, size: int) -> bytes:
    if size > MAX_ENTRY_BYTES:
        raise ContainerError(f"an entry of {size} bytes is over the limit of {MAX_ENTRY_BYTES}")
    if start + size > len(container):
        raise ContainerError(f"an entry ends at byte {start + size} of {len(container)}")
    return container[start : start + size]


def _qt_name(container: bytes, offset: int) -> str:
    (length,) = _unpack(">H", container, offset)
    name = _slice(container, offset + 6, 2 * length).decode("utf-16-be", errors="replace")
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ContainerError(f"{name!r} is no file name")
    return name


def _qt_data(container: bytes, offset: int, flags: int) -> bytes:
    (size,) = _unpack(">I", container, offset)
    stored = _slice(container, offset + 4, size)
    if flags & _QT_ZSTD:
        raise ContainerError("Zstandard compression is not supported")
    if not flags & _QT_ZLIB:
        return stored
    (expanded,) = _unpack(">I", stored, 0)
    if expanded > MAX_ENTRY_BYTES:
        raise ContainerError(f"an entry expands to {expanded} bytes, over the limit of {MAX_ENTRY_BYTES}")
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(stored[4:], expanded + 1)
    except zlib.error as error:
        raise ContainerError(f"an entry does not decompress: {error}") from error
    if len(content) != expanded:
        raise ContainerError(f"an entry expands to other than the {expanded} bytes it claims")
    return content
