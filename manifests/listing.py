"""From what the user names (files, folders, patterns, lists) to the files to be probed."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataengine.errors import UserError
from manifests.given_tables import LIST_SUFFIXES, read_list
from manifests.media.source import is_local, local_path
from manifests.remote import open_filesystem, storage_errors

# fmt: off
NOT_MEDIA_SUFFIXES = frozenset({
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".md",
    ".rst", ".html", ".htm", ".css", ".pdf", ".doc", ".docx", ".log", ".py", ".pyc", ".ipynb", ".sh", ".js", ".c",
    ".h", ".cpp", ".parquet", ".arrow", ".npy", ".npz", ".pkl", ".pt", ".safetensors", ".onnx", ".db", ".sqlite",
    ".h5", ".hdf5", ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".svg", ".ico", ".psd",
    ".zip", ".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".rar", ".7z", ".iso", ".deb", ".srt", ".vtt", ".lrc",
    ".ass", ".cue", ".m3u", ".m3u8", ".pls", ".mid", ".midi", ".sf2", ".textgrid", ".lab", ".eaf", ".md5",
    ".sha256", ".torrent", ".tmp",
})
# fmt: on
"""In a folder, files with these endings, and hidden ones, are passed over; a file named by itself is not."""


@dataclass
class Listing:
    """The files that were found."""

    uris: dict[str, None] = field(default_factory=dict)
    """Absolute paths and URIs, each once."""
    skipped: int = 0
    """Files in folders that are obviously no media."""
    unreadable: dict[str, OSError | ValueError] = field(default_factory=dict)
    """Folders that could not be entered, and files whose names are no text."""


def list_files(sources: Sequence[str]) -> Listing:
    """Find the files that `sources` name.

    A source is a media file, a folder (searched through; links are followed, loops are not), a pattern
    with `*`, `?` or `**`, a list of URIs (.txt with one a line, .csv or .parquet with a column `uri`), or
    the URI of a file, a folder (over HTTP with `/` at its end) or a pattern on any filesystem that fsspec knows.

    Raises UserError for a source that is not there and if nothing was found at all.
    """
    listing = Listing()
    for source in sources:
        if not is_local(source):
            _add_remote(source, listing)
        else:
            _add_local(local_path(source), listing)
    if not listing.uris and not listing.unreadable:
        raise UserError(f"no media files in {', '.join(sources)} ({listing.skipped} other files)")
    return listing


def _add_local(source: str, listing: Listing) -> None:
    path = os.path.abspath(source)
    if os.path.isdir(path):
        _add_all(_walk(path, listing), listing)
    elif os.path.lexists(path):
        if path.lower().endswith(LIST_SUFFIXES):
            listing.uris.update(dict.fromkeys(read_list(path)))
        else:
            listing.uris[path] = None
    elif glob.has_magic(source):
        matches = sorted(glob.glob(source, recursive=True))
        _add_all((os.path.abspath(match) for match in matches if not os.path.isdir(match)), listing)
    else:
        raise UserError("there is no such file or folder", where=source)


def _walk(folder: str, listing: Listing) -> Iterator[str]:
    """Files under a folder; each folder is entered once, by whichever link it is reached."""

    def note(error: OSError) -> None:
        listing.unreadable[str(error.filename)] = error

    entered: set[tuple[int, int]] = set()
    for path, folders, files in os.walk(folder, followlinks=True, onerror=note):
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders.sort()
        yield from (os.path.join(path, name) for name in sorted(files))


def _add_remote(source: str, listing: Listing) -> None:
    filesystem, path = open_filesystem(source)
    try:
        with storage_errors(source):
            if source.lower().endswith(LIST_SUFFIXES):
                listing.uris.update(dict.fromkeys(read_list(source)))
            elif glob.has_magic(path):
                _add_all(map(filesystem.unstrip_protocol, sorted(filesystem.glob(path))), listing)
            elif source.endswith("/") or _is_folder(filesystem, path):
                _add_all(map(filesystem.unstrip_protocol, sorted(filesystem.find(path))), listing)
            else:
                listing.uris[source] = None
    except OSError as error:
        raise UserError(f"cannot list it: {error}", where=source) from error


def _is_folder(filesystem: Any, path: str) -> bool:
    """Whether a name without an ending is that of a folder; over HTTP only the last `/` can tell."""
    named_like_a_file = bool(os.path.splitext(path)[1]) or path.startswith(("http:", "https:"))
    return not named_like_a_file and bool(filesystem.isdir(path))


def _add_all(paths: Iterable[str], listing: Listing) -> None:
    for path in paths:
        name = os.path.basename(path)
        if name.startswith(".") or os.path.splitext(name)[1].lower() in NOT_MEDIA_SUFFIXES:
            listing.skipped += 1
        elif not _is_text(path):
            shown = path.encode(errors="backslashreplace").decode()
            listing.unreadable[shown] = ValueError("the file's name is not UTF-8; rename it")
        else:
            listing.uris[path] = None


def _is_text(path: str) -> bool:
    """Whether a path can stand in a table; Python smuggles bytes that are not UTF-8 through as surrogates."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
