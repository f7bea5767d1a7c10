"""Content identity: the same recording has the same id wherever it lies and whatever it is called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from manifests.identity import ID_BYTES, stable_hash
from manifests.media import Recording
from manifests.media.source import Source, is_local

FULL_HASH_BYTES = 64 * 2**20
"""Files up to this size are hashed whole."""
BLOCK_BYTES = 2**20
LOCAL_BLOCKS = 64
"""Blocks, evenly spread from head to tail, that stand for a larger local file; remote ones: head and tail."""
DIGEST_SECONDS = 60.0
"""Audio that is decoded at a time for its digest."""


def recording_id(source: Source) -> str:
    """Id of a recording by its content.

    Up to 64 MiB: the hash of all bytes. Larger: size, hash of sample blocks, and for remote objects the
    ETag, because two of their blocks are little; so a large file and its upload count as two recordings.
    Raises OSError.
    """
    if source.size <= FULL_HASH_BYTES:
        return stable_hash("content", _digest(source, [(0, source.size)]))
    count = LOCAL_BLOCKS if is_local(source.uri) else 2
    starts = np.linspace(0, source.size - BLOCK_BYTES, count).astype(np.int64)
    blocks = [(int(start), int(start) + BLOCK_BYTES) for start in starts]
    return stable_hash("large content", str(source.size), source.etag or "", _digest(source, blocks))


def audio_digest(recording: Recording) -> str:
    """Hash of the decoded audio: mono, 16 bit, at the stored rate.

    It survives lossless copies in another container (WAV, FLAC, a renamed or retagged file), not lossy ones.
    Raises MediaError or OSError.
    """
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    rate = recording.info.sample_rate
    digest.update(str(rate).encode())
    step = round(DIGEST_SECONDS * rate)
    for first in range(0, recording.info.frames, step):
        samples = recording.stored(first, min(step, recording.info.frames - first))
        digest.update(np.clip(np.rint(samples * 2**15), -(2**15), 2**15 - 1).astype("<i2").tobytes())
    return digest.hexdigest()


def _digest(source: Source, blocks: list[tuple[int, int]]) -> str:
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for piece in _pieces(source, blocks):
        digest.update(piece)
    source.raise_failure()
    return digest.hexdigest()


def _pieces(source: Source, blocks: list[tuple[int, int]]) -> Iterator[bytes]:
    for start, stop in blocks:
        source.seek(start)
        while start < stop and (piece := source.read(min(BLOCK_BYTES, stop - start))):
            start += len(piece)
            yield piece
