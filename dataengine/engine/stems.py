"""Encoding the audio that a slice keeps: the engine's own step after the last stage."""

from __future__ import annotations

import tarfile

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from manifests.media import encode_stems
from manifests.schema import ENCODED

STEMS = ("mixture", "target", "residual")
MEMBERS = "tar_members"
"""Column of a row's files as they stand in a tar, one after the other: an array of bytes."""


class EncodeStems(Stage):
    """Waveforms → files for a tar. A row whose stems cannot be stored (they do not add up, or hold NaN) fails.

    It works on a micro-batch as soon as the last stage has, so that a worker never holds the waveforms of a
    whole slice, and finds them in the processor's cache.
    """

    reads = ("mixture",)
    adds = {MEMBERS: ENCODED, "gain": pa.float32()}
    sample_rate: int

    @classmethod
    def name(cls) -> str:
        """Where a row fails whose stems cannot be stored."""
        return "commit"

    def process(self, batch: Batch) -> Batch:
        """Replace the stems by the files they make and the gain they are stored with."""
        present = [name for name in STEMS if name in batch]
        rows = zip(batch["sample_id"], *(batch[name] for name in present), strict=True)
        members, gains = [], []
        for key, *waveforms in rows:
            encoded = encode_stems(**dict(zip(present, waveforms, strict=True)), sample_rate=self.sample_rate)
            files = [tar_member(f"{key}.{suffix}", content) for suffix, content in encoded.members()]
            members.append(np.frombuffer(b"".join(files), np.uint8))
            gains.append(encoded.gain)
        return batch.without(present).with_columns(**{MEMBERS: members, "gain": gains})


def tar_member(name: str, content: bytes) -> bytes:
    """A file as it stands in a tar: header, content, padding; the same bytes whenever it is made."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    padding = -len(content) % tarfile.BLOCKSIZE
    return info.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * padding
