"""Compare-and-set of a small file: the one pointer that says which results count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataengine.engine.storage import Storage
from manifests.lock import sole_writer
from manifests.remote import storage_errors


def swap(storage: Storage, name: str, before: bytes | None, after: bytes) -> bool:
    """Write a file if its content is still `before` (None: there is no such file); False if it is not.

    On S3 the write is conditional; on other object stores the content is compared just before it. Local
    processes take turns by a lock.
    """
    if before is None:
        return storage.create(name, after) or storage.read(name) == after
    if storage.is_local:
        with sole_writer(Path(storage.path(name)).parent):
            if storage.read(name) != before:
                return False
            storage.replace(name, after)
            return True
    with storage_errors(storage.path(name)):
        condition = _unless_changed(storage, name)  # asked before the content is: a change between is noticed
        if storage.read(name) != before:
            return False
        try:
            storage.filesystem.pipe_file(storage.path(name), after, **condition)
        except OSError:  # refused, or the answer to a write that came through was lost
            if storage.read(name) == before:
                raise
    return storage.read(name) == after


def _unless_changed(storage: Storage, name: str) -> dict[str, Any]:
    """Options of a write that S3 refuses if the file is no longer what it is now."""
    etag = storage.filesystem.info(storage.path(name)).get("ETag")
    return {"IfMatch": etag} if etag else {}
