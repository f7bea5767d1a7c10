"""Encoding what a slice keeps of audio and video: the engine's own step after the last stage."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from manifests.masks import PackedMask
from manifests.media import encode_stems
from manifests.schema import ENCODED

STEMS = ("mixture", "target", "residual")
PICTURES = ("frames", "mask")
NO_FRAMES = np.zeros((1, 1, 1, 3), np.uint8)
NO_MASK = PackedMask.of(NO_FRAMES[..., 0])
"""A single pixel, in the files of a row that has no frames or no mask."""
MEMBERS = "tar_members"
"""Column of a row's files as they stand in a tar, one after the other: an array of bytes."""


class EncodeStems(Stage):
    """Waveforms, and where there are any a mask and frames → files for a tar.

    A row whose stems cannot be stored (they do not add up, or hold NaN) fails. It works on a micro-batch as soon as
    the last stage has, so that a worker never holds the waveforms of a whole slice, and finds them in the
    processor's cache.
    """

    reads = ("mixture",)
    adds = {MEMBERS: ENCODED, "gain": pa.float32(), "mask_reference": pa.string()}
    sample_rate: int
    store_frames: bool = False

    @classmethod
    def name(cls) -> str:
        """Where a row fails whose stems cannot be stored."""
        return "commit"

    def process(self, batch: Batch) -> Batch:
        """Replace stems, mask and frames by the files they make; add the stems' gain and the name of the mask."""
        present = [name for name in STEMS if name in batch]
        keys = list(batch["sample_id"])
        members, gains = [], []
        for key, pictures, *waveforms in zip(
            keys, self._pictures(batch), *(batch[name] for name in present), strict=True
        ):
            encoded = encode_stems(**dict(zip(present, waveforms, strict=True)), sample_rate=self.sample_rate)
            files = [
                tar_member(f"{key}.{suffix}", content) for suffix, content in (*encoded.members(), *pictures)
            ]
            members.append(np.frombuffer(b"".join(files), np.uint8))
            gains.append(encoded.gain)
        references = [
            None if mask is None else f"{key}.mask.npz"
            for key, mask in zip(keys, _of(batch, "mask"), strict=True)
        ]
        return batch.without((*STEMS, *PICTURES)).with_columns(
            **{MEMBERS: members, "gain": gains, "mask_reference": references}
        )

    def _pictures(self, batch: Batch) -> Iterator[list[tuple[str, bytes]]]:
        """For each row the files that its mask and frames make: what follows the key in the name, and the content.

        All rows of a pipeline have the same files, for Hugging Face datasets wants all samples of a shard to have the
        same members, and reads arrays without elements as another type.
        """
        columns = (_of(batch, name) for name in ("mask", "frames", "frames_hop_seconds"))
        for mask, frames, hop_seconds in zip(*columns, strict=True):
            files = []
            if "mask" in batch:
                files.append(("mask.npz", (mask or NO_MASK).to_npz(hop_seconds)))
            if self.store_frames and "frames" in batch:
                buffer = io.BytesIO()
                np.save(buffer, NO_FRAMES if frames is None else frames)
                files.append(("video.npy", buffer.getvalue()))
            yield files


def _of(batch: Batch, column: str) -> list[Any]:
    """A column row by row; null where the batch lacks it."""
    return list(batch[column]) if column in batch else [None] * len(batch)


def tar_member(name: str, content: bytes) -> bytes:
    """A file as it stands in a tar: header, content, padding; the same bytes whenever it is made."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    padding = -len(content) % tarfile.BLOCKSIZE
    return info.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * padding
