"""Folders among the machine's temporary files that do not outlive their process, even one that is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

SUFFIX = ".dataengine"


class TemporaryFolder:
    """A folder that is gone when the block ends, or with this object; its creation removes what others left.

    Its process holds a lock on it. The lock ends with the process, whatever ends that: a folder without one is
    abandoned. Cleaners of temporary files (systemd-tmpfiles) leave a locked folder alone, however old it is.
    """

    def __init__(self) -> None:
        _remove_abandoned()
        self.path, lock = _locked_folder()
        self._finalizer = weakref.finalize(self, _remove, self.path, lock)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self._finalizer()


def _locked_folder() -> tuple[Path, int]:
    """A new folder, and the open file that holds its lock."""
    while True:
        path = Path(tempfile.mkdtemp(suffix=SUFFIX))
        with suppress(FileNotFoundError):  # another process saw it before it was locked, and removed it
            lock = os.open(path, os.O_RDONLY)
            with suppress(OSError):  # a filesystem without such locks: nobody can take it for abandoned
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _remove_abandoned() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"*{SUFFIX}"):
        with suppress(OSError):  # another user's, gone meanwhile, or in use
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _remove(path: Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)
