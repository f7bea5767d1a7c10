"""Copying ranges of a run's tars into a local file, as fast as the system can."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from dataengine.engine.storage import Storage

READ_AHEAD = 16
"""Ranges asked for at a time: on an object store the wait for each is long."""
PIECE_BYTES = 1 << 20

NOT_IN_KERNEL = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
"""What filesystems answer that cannot copy by themselves."""


class Range(NamedTuple):
    """Bytes of a file."""

    name: str
    start: int
    length: int


def append_ranges(storage: Storage, ranges: Iterable[Range], sink: int) -> Iterator[Range]:
    """Append ranges one by one to the file of descriptor `sink`; yields each when it is there.

    Raises OSError if a file is missing or shorter.
    """
    if storage.is_local:
        for each in ranges:
            _copy(storage.path(each.name), each.start, each.length, sink)
            yield each
        return
    for each, content in _read_ahead(storage, ranges):
        _write(sink, content)
        yield each


def _copy(path: str, start: int, length: int, sink: int) -> None:
    source = os.open(path, os.O_RDONLY)
    try:
        end = start + length
        while start < end:
            copied = _copy_some(source, start, end - start, sink)
            if not copied:
                raise OSError(f"{path} ends before byte {end}")
            start += copied
    finally:
        os.close(source)


def _copy_some(source: int, start: int, length: int, sink: int) -> int:
    """Copy within the kernel if it can; returns the number of bytes, 0 at the end of the file."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, sink, length, offset_src=start)
        except OSError as error:
            if error.errno not in NOT_IN_KERNEL:
                raise
    content = os.pread(source, min(length, PIECE_BYTES), start)
    _write(sink, content)
    return len(content)


def _write(sink: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(sink, rest) :]


def _read_ahead(storage: Storage, ranges: Iterable[Range]) -> Iterator[tuple[Range, bytes]]:
    """Ranges with their content, in order, read several at a time."""
    with ThreadPoolExecutor(READ_AHEAD) as readers:
        asked: deque[tuple[Range, Future[bytes]]] = deque()
        for each in ranges:
            asked.append((each, readers.submit(storage.read_range, *each)))
            if len(asked) == READ_AHEAD:
                first, reading = asked.popleft()
                yield first, reading.result()
        for first, reading in asked:
            yield first, reading.result()
