"""Files of a run directory, on any filesystem that fsspec knows.

The one promise everything rests on is `create`: a file appears whole under its name, or not at all, and
only the first of several writers succeeds.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from dataengine.errors import UserError

TEMPORARY_SUFFIX = ".incomplete"


@dataclass(frozen=True)
class Storage:
    """A directory, local or remote; all paths given to its methods are relative to it, with `/`."""

    root: str

    @classmethod
    def at(cls, place: str | Path) -> Storage:
        """The directory at a path or URL; local paths are made absolute, so that workers agree on them.

        Raises:
            UserError: nothing can be stored there: no directory, or a protocol that fsspec does not know.
        """
        text = str(place)
        storage = cls(text.rstrip("/") if "://" in text else str(Path(text).resolve()))
        try:
            storage.filesystem  # noqa: B018 - found here, where the user's word is at hand
        except (ImportError, ValueError) as error:
            raise UserError(f"this place cannot be opened: {error}", where=text) from error
        if storage.is_local and Path(storage.path("")).is_file():
            raise UserError("this is a file; a directory is wanted", where=text)
        return storage

    @cached_property
    def filesystem(self) -> Any:
        """The fsspec filesystem that the directory is on."""
        return fsspec.core.url_to_fs(self.root)[0]

    @cached_property
    def _base(self) -> str:
        return str(fsspec.core.url_to_fs(self.root)[1]).rstrip("/")

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
        return bool(self.filesystem.exists(self.path(name)))

    def read(self, name: str) -> bytes:
        """A file's content. Raises FileNotFoundError."""
        content: bytes = self.filesystem.cat_file(self.path(name))
        return content

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Bytes `start` to `start + length` of a file."""
        content: bytes = self.filesystem.cat_file(self.path(name), start=start, end=start + length)
        return content

    def open(self, name: str) -> Any:
        """A seekable binary file, for reading."""
        return self.filesystem.open(self.path(name), "rb")

    def size(self, name: str) -> int:
        """A file's size in bytes."""
        return int(self.filesystem.size(self.path(name)))

    def files(self, folder: str, suffix: str = "") -> Iterator[str]:
        """Names of all files below a folder, sorted; none if there is no such folder."""
        self.filesystem.invalidate_cache()
        if not self.filesystem.exists(self.path(folder)):
            return
        skip = len(self._base) + 1
        for full in sorted(self.filesystem.find(self.path(folder))):
            if full.endswith(suffix):
                yield full[skip:]

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless it exists; False if it does. Whoever reads the name sees it whole."""
        if not self.is_local:
            try:
                self.filesystem.pipe_file(self.path(name), content, mode="create")
            except FileExistsError:
                return False
            return True
        with self.temporary(name) as temporary:
            temporary.write_bytes(content)
            return self.publish(temporary, name)

    def replace(self, name: str, content: bytes) -> None:
        """Write a file, whole, over what stands there."""
        if not self.is_local:
            self.filesystem.pipe_file(self.path(name), content)
            return
        with self.temporary(name) as temporary:
            temporary.write_bytes(content)
            _flush(temporary)
            os.replace(temporary, self.path(name))
            _flush(Path(self.path(name)).parent)

    def temporary(self, name: str) -> _TemporaryFile:
        """A local file to write into before it is published under `name`; gone when the block ends."""
        folder = Path(self.path(name)).parent if self.is_local else Path(tempfile.gettempdir())
        return _TemporaryFile(folder)

    def publish(self, temporary: Path, name: str) -> bool:
        """Give a finished local file its name unless the name exists; False if it does."""
        if not self.is_local:
            return self.create(name, temporary.read_bytes())
        _flush(temporary)
        try:
            os.link(temporary, self.path(name))
        except FileExistsError:
            return False
        _flush(Path(self.path(name)).parent)
        return True

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that it holds; nothing happens if there is none."""
        if self.exists(name):
            self.filesystem.rm(self.path(name), recursive=True)


class _TemporaryFile:
    """A path for a new local file next to its destination, removed on leaving."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(suffix=TEMPORARY_SUFFIX, dir=self._folder)
        os.close(handle)
        os.chmod(path, 0o644)
        self._path = Path(path)
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the operating system write a file or folder entry to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
