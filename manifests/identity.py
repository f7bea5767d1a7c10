"""Identifiers: pure functions of what a thing is, never of when or where it was made."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

ID_BYTES = 16
"""128 bits: a billion ids collide with a probability below 1e-20."""
ID_PATTERN = "^[0-9a-f]{32}$"
"""What an id looks like; ids name files, so a table from elsewhere may not bring others."""


def stable_hash(*fields: str) -> str:
    """Hash text fields, in order, to 32 lower-case hexadecimal digits.

    Each field is hashed with its length, so no two different lists of fields look the same.
    """
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for field in fields:
        encoded = field.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


def unit_id(recording_id: str, start: float, duration: float) -> str:
    """Id of a window of a recording; `start` and `duration` in seconds count to the microsecond."""
    return stable_hash("unit", recording_id, str(round(start * 1e6)), str(round(duration * 1e6)))


def normalise_prompt(text: str) -> str:
    """The form in which two text prompts are the same prompt: case, spacing, Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def sample_id(unit: str, prompt: str, kind: str) -> str:
    """Id of a candidate: its window, the prompt as proposed, and the kind of prompt."""
    return stable_hash("sample", unit, normalise_prompt(prompt), kind)


def seed_of(run_seed: int, *fields: str) -> int:
    """A 64-bit seed for a random draw that belongs to the thing that `fields` name."""
    return int(stable_hash("seed", str(run_seed), *fields)[:16], 16)


def digest_of_ids(ids: Iterable[str]) -> str:
    """Digest of a sequence of ids; the order counts."""
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for each in ids:
        digest.update(each.encode())
        digest.update(b"\n")
    return digest.hexdigest()
