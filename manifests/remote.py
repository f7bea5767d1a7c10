"""Filesystems behind URLs, through fsspec: opening one, and telling its trouble as an OSError.

Storage clients have hierarchies of errors of their own. Here an error is one of Python's: FileNotFoundError
and PermissionError mean that another try would meet the same, any other OSError that storage is in trouble.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dataengine.errors import UserError

LAPSED_CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidToken", "RequestTimeTooSkewed", "TokenRefreshRequired"}
)
"""What S3 answers to credentials that were good before: nothing is wrong with the object."""


def open_filesystem(uri: str) -> tuple[Any, str]:
    """The filesystem that a path or URL is on, and the path there.

    It remembers no listing: other processes write to the same places.
    Raises UserError for a protocol that fsspec does not know or that lacks its library.
    """
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except ImportError as error:
        extra = "; pip install 'dataengine[s3]'" if uri.startswith(("s3:", "s3a:")) else ""
        raise UserError(f"this place cannot be opened: {error}{extra}", where=uri) from error
    except (ValueError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"this place cannot be opened: {reason}", where=uri) from error
    return filesystem, path


@contextmanager
def storage_errors(uri: str) -> Iterator[None]:
    """Raise as an OSError whatever a storage client raises in the block."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        translated = as_os_error(error, uri)
        if translated is error:
            raise
        raise translated from error


def as_os_error(error: Exception, uri: str) -> OSError:
    """What a storage client raised, as the OSError it means."""
    if isinstance(error, OSError):
        return OSError(f"{uri}: {_one_line(error)}") if _has_lapsed(error) else error
    if getattr(error, "status", None) in (401, 403):
        return PermissionError(f"{uri}: {_one_line(error)}")
    return OSError(f"{uri}: {type(error).__name__}: {_one_line(error)}")


def _has_lapsed(error: OSError) -> bool:
    response = getattr(error.__cause__, "response", None)
    return isinstance(response, dict) and response.get("Error", {}).get("Code") in LAPSED_CREDENTIALS


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
