"""Files of a run directory, on any filesystem that fsspec knows.

The one promise everything rests on is `create`: a file appears whole under its name, or not at all, and
only the first of several writers succeeds. Local filesystems keep it by a hard link, S3 and Google Cloud
Storage by a conditional PUT. Trouble with a filesystem is an OSError, whatever its client raises.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from dataengine.errors import UserError
from manifests.flushing import flush
from manifests.remote import open_filesystem, storage_errors
from manifests.temporary import TemporaryFolder

TEMPORARY_SUFFIX = ".incomplete"

UPLOAD_CHUNK_BYTES = 8 * 2**20
"""Larger files are uploaded in pieces of this size, ten at a time: what an upload holds in memory."""


@dataclass(frozen=True)
class Storage:
    """A directory, local or remote; all paths given to its methods are relative to it, with `/`.

    Methods raise OSError where storage is in trouble.
    """

    root: str

    @classmethod
    def at(cls, place: str | Path) -> Storage:
        """The directory at a path or URL; local paths are made absolute, so that workers agree on them.

        Raises:
            UserError: nothing can be stored there: no directory, or a protocol that fsspec does not know.
        """
        text = str(place)
        storage = cls(text.rstrip("/") if "://" in text else str(Path(text).resolve()))
        if storage.is_local and Path(storage.path("")).is_file():
            raise UserError("this is a file; a directory is wanted", where=text)
        return storage

    @cached_property
    def filesystem(self) -> Any:
        """The fsspec filesystem that the directory is on."""
        return open_filesystem(self.root)[0]

    @cached_property
    def _base(self) -> str:
        return open_filesystem(self.root)[1].rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root}

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "root", state["root"])

    @property
    def is_local(self) -> bool:
        """Whether files are plain files of this machine (or of a mounted filesystem)."""
        return isinstance(self.filesystem, LocalFileSystem)

    def path(self, name: str) -> str:
        """The full path of a file, as its filesystem spells it."""
        return f"{self._base}/{PurePosixPath(name)}" if name else self._base

    def exists(self, name: str) -> bool:
        """Whether a file or folder has this name."""
        with self._errors(name):
            try:
                self.filesystem.info(self.path(name))
            except FileNotFoundError:
                return False
            return True

    def read(self, name: str) -> bytes:
        """A file's content. Raises FileNotFoundError."""
        with self._errors(name):
            content: bytes = self.filesystem.cat_file(self.path(name))
            return content

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Bytes `start` to `start + length` of a file. Raises OSError if the file is shorter."""
        with self._errors(name):
            content: bytes = self.filesystem.cat_file(self.path(name), start=start, end=start + length)
        if len(content) < length:
            raise OSError(f"{self.path(name)} ends before byte {start + length}")
        return content

    def open(self, name: str) -> io.BufferedIOBase:
        """A seekable binary file, for reading."""
        with self._errors(name):
            file = self.filesystem.open(self.path(name), "rb")
        return file if self.is_local else io.BufferedReader(_RemoteFile(file, self.path(name)))

    def size(self, name: str) -> int:
        """A file's size in bytes."""
        with self._errors(name):
            return int(self.filesystem.size(self.path(name)))

    def files(self, folder: str, suffix: str = "") -> Iterator[str]:
        """Names of all files below a folder, sorted; none if there is no such folder."""
        skip = len(self._base) + 1
        for full in sorted(self._found(folder)):
            if full.endswith(suffix):
                yield full[skip:]

    def unpublished(self, folder: str, older_than: float) -> list[str]:
        """Names of the files directly in a folder that nobody published within so many seconds of writing them."""
        path = Path(self.path(folder)) if self.is_local else None
        if path is None or not path.is_dir():  # remote files are there whole or not at all
            return []
        left = [entry for entry in os.scandir(path) if entry.name.endswith(TEMPORARY_SUFFIX)]
        old = [entry.name for entry in left if time.time() - entry.stat().st_mtime > older_than]
        return sorted(f"{folder}/{name}".lstrip("/") for name in old)

    def folders(self, folder: str) -> list[str]:
        """Names of the folders directly in a folder, sorted; none if there is no such folder."""
        path = self.path(folder)
        try:
            if self.is_local:
                return sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
            with self._errors(folder):
                entries = self.filesystem.ls(path, detail=True)
        except FileNotFoundError:
            return []
        return sorted(e["name"].rstrip("/").rpartition("/")[2] for e in entries if e["type"] == "directory")

    def _found(self, folder: str) -> list[str]:
        """Full paths of all files below a folder. A listing that breaks off must never pass for a short one."""
        path = self.path(folder)
        if self.is_local:
            walk = os.walk(path, onerror=_raise_unless_missing)
            return [os.path.join(inside, name) for inside, _, names in walk for name in names]
        with self._errors(folder):
            return list(self.filesystem.find(path))

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless it exists; False if it does. Whoever reads the name sees it whole.

        Where the answer to a remote write is lost and the write is tried again, the second try finds the
        first: False then means that the file is there, not that another wrote it.
        """
        if not self.is_local:
            return self._create_remote(
                name, lambda path: self.filesystem.pipe_file(path, content, mode="create")
            )
        with self.temporary(name) as temporary:
            temporary.write_bytes(content)
            return self.publish(temporary, name)

    def replace(self, name: str, content: bytes) -> None:
        """Write a file, whole, over what stands there."""
        if not self.is_local:
            with self._errors(name):
                self.filesystem.pipe_file(self.path(name), content)
            return
        with self.temporary(name) as temporary:
            temporary.write_bytes(content)
            flush(temporary)
            os.replace(temporary, self.path(name))
            flush(Path(self.path(name)).parent)

    @contextmanager
    def temporary(self, name: str) -> Iterator[Path]:
        """A local file to write into before it is published under `name`; gone when the block ends.

        One that a killed process left is removed when a run on this disk is finished, or, if the directory is remote,
        when the next `TemporaryFolder` is made.
        """
        if not self.is_local:
            with TemporaryFolder() as folder:
                yield folder / PurePosixPath(name).name
            return
        folder = Path(self.path(name)).parent
        _make_folder(folder)
        handle, path = tempfile.mkstemp(suffix=TEMPORARY_SUFFIX, dir=folder)
        os.close(handle)
        os.chmod(path, 0o644)
        try:
            yield Path(path)
        finally:
            Path(path).unlink(missing_ok=True)

    def publish(self, temporary: Path, name: str) -> bool:
        """Give a finished local file its name unless the name exists; False as `create` says."""
        if not self.is_local:
            options = {"mode": "create", "chunksize": UPLOAD_CHUNK_BYTES}
            return self._create_remote(
                name, lambda path: self.filesystem.put_file(str(temporary), path, **options)
            )
        flush(temporary)
        try:
            os.link(temporary, self.path(name))
        except FileExistsError:
            return False
        flush(Path(self.path(name)).parent)
        return True

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that it holds; nothing happens if there is none."""
        with self._errors(name):
            try:
                self.filesystem.rm(self.path(name), recursive=True)
            except FileNotFoundError:
                return

    def _create_remote(self, name: str, write: Callable[[str], None]) -> bool:
        """Have `write`, which is given the full path, do a conditional PUT; False if the name exists."""
        with self._errors(name):
            try:
                write(self.path(name))
            except FileExistsError:
                return False
            except OSError:  # some servers refuse in other words, and a lost answer may hide a success
                if self.exists(name):
                    return False
                raise
            return True

    def _errors(self, name: str) -> AbstractContextManager[None]:
        return storage_errors(self.path(name))


class _RemoteFile(io.RawIOBase):
    """A remote file whose trouble is an OSError."""

    def __init__(self, file: Any, place: str) -> None:
        self._file = file
        self._place = place

    def readable(self) -> bool:
        """True: it is there to be read."""
        return True

    def seekable(self) -> bool:
        """True: every read names its range."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; returns the number of bytes read."""
        with storage_errors(self._place):
            return int(self._file.readinto(buffer))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """The position in bytes."""
        return int(self._file.tell())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; each is on disk before a file in it can be."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    flush(folder.parent)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
