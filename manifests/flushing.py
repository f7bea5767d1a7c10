"""Having the operating system write to disk what it holds in memory."""

from __future__ import annotations

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Write a file or the entries of a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
