"""Opening the bytes behind a URI: a local path, or anything fsspec knows (http, s3, gs, memory …)."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from manifests.media.errors import CorruptMediaError, EmptyFileError, MediaError, UnknownFormatError
from manifests.remote import as_os_error, open_filesystem, storage_errors

SMALL_BYTES = 2**20
"""Local files up to this size are read at once: decoders seek back and forth."""
WHOLE_FETCH_BYTES = 16 * 2**20
"""Remote objects up to this size come in one request; larger ones are read by ranges."""
RANGE_BYTES = 2**20
"""Size of a range request; 32 of them are held in memory."""


class Source:
    """A seekable binary file with a known size, to be handed to a native decoder.

    Decoders call back from C, where an exception would be printed and forgotten: it is remembered in
    `failure` instead, and the decoder sees the end of the file.
    """

    def __init__(self, uri: str, file: io.BufferedIOBase, size: int, etag: str | None = None) -> None:
        self.uri = uri
        self.size = size
        self.etag = etag
        self.failure: Exception | None = None
        # Raw streams without a header (G.722 …) are known by their extension alone.
        self.name = uri.split("?", 1)[0].rsplit("/", 1)[-1]
        self._file = file

    def read(self, count: int = -1) -> bytes:
        """Up to `count` bytes; none at the end of the file or after a failure."""
        if self.failure is None:
            try:
                return self._file.read(count)
            except Exception as error:
                self.failure = error
        return b""

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; returns the number of bytes read."""
        if self.failure is None:
            try:
                return self._file.readinto(buffer)
            except Exception as error:
                self.failure = error
        return 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it; -1 after a failure."""
        if self.failure is None:
            try:
                return self._file.seek(offset, whence)
            except Exception as error:
                self.failure = error
        return -1

    def tell(self) -> int:
        """The position in bytes."""
        return self._file.tell()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Turn what native decoders raise into MediaError, or into the failure of the storage behind it."""
        import av
        import soundfile

        try:
            yield
        except (av.FFmpegError, soundfile.SoundFileError, MediaError) as error:
            self.raise_failure()
            if isinstance(error, MediaError):
                raise
            reason = error.strerror if isinstance(error, av.FFmpegError) else str(error)
            raise CorruptMediaError(reason or type(error).__name__) from error
        self.raise_failure()

    def raise_failure(self) -> None:
        """Raise what went wrong with the storage, if anything did, as an OSError."""
        if self.failure is not None:
            raise as_os_error(self.failure, self.uri)


def is_local(uri: str) -> bool:
    """Whether the URI names a file of this machine."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> str:
    """The path of a local URI."""
    return uri.removeprefix("file://")


def open_source(uri: str) -> Source:
    """Open the bytes behind `uri` for reading.

    Raises EmptyFileError, UnknownFormatError (a directory, a pipe, a device) or OSError.
    """
    source = _open_local(uri) if is_local(uri) else _open_remote(uri)
    if source.size == 0:
        source.close()
        raise EmptyFileError("the file is empty")
    return source


def _open_local(uri: str) -> Source:
    path = local_path(uri)
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device might never end
        raise UnknownFormatError("not a regular file")
    if status.st_size > SMALL_BYTES:
        return Source(uri, open(path, "rb"), status.st_size)
    data = Path(path).read_bytes()
    return Source(uri, io.BytesIO(data), len(data))


def _open_remote(uri: str) -> Source:
    filesystem, path = open_filesystem(uri)
    with storage_errors(uri):
        facts = filesystem.info(path)
        size, etag = facts.get("size"), facts.get("ETag") or facts.get("etag")
        if size is None or size <= WHOLE_FETCH_BYTES:
            data = _fetch(filesystem, path)
            return Source(uri, io.BytesIO(data), len(data), etag)
        file = filesystem.open(path, "rb", block_size=RANGE_BYTES, cache_type="blockcache")
    return Source(uri, file, size, etag)


def _fetch(filesystem: Any, path: str) -> bytes:
    """The whole object; OSError if it turns out larger than `WHOLE_FETCH_BYTES`."""
    with filesystem.open(path, "rb", cache_type="none") as file:
        data: bytes = file.read(WHOLE_FETCH_BYTES + 1)
    if len(data) > WHOLE_FETCH_BYTES:
        raise OSError(f"the server names no size and sends more than {WHOLE_FETCH_BYTES} bytes")
    return data
