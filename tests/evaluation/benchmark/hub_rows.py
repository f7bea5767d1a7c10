"""Rows as the hub's set has them, and videos of a few tones."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("source_dataset", pa.string()),
        ("start_offset", pa.float64()),
        ("end_offset", pa.float64()),
        ("description", pa.string()),
        ("spans", pa.list_(pa.list_(pa.float64()))),
        ("mask_bytes", pa.binary()),
        ("paper_eval_sets", pa.list_(pa.string())),
    ]
)


def mask_bytes() -> bytes:
    """As the set stores a mask: an archive of one array."""
    mask = np.zeros((4, 8, 8), np.uint8)
    mask[:, 2:5, 2:5] = 1
    sink = io.BytesIO()
    np.savez_compressed(sink, video_masklet=mask)
    return sink.getvalue()


def row(video: str, *sets: str, **changes: Any) -> dict[str, Any]:
    """A dog that barks from 3 to 5 s of a video."""
    return {
        "video_id": video,
        "source_dataset": "avspeech",
        "start_offset": 3.0,
        "end_offset": 5.0,
        "description": "dog barking",
        "spans": [[0.5, 1.0]],
        "mask_bytes": None,
        "paper_eval_sets": list(sets),
    } | changes


def write_table(path: Path, *rows: dict[str, Any]) -> Path:
    """The set."""
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), path)
    return path


def write_video(path: Path, seconds: float, *, rate: int = 48_000) -> None:
    """Stereo AAC beside a few frames: a tone that rises by 100 Hz each second, from 400 Hz."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(400 + 100 * np.floor(times)) / rate
    samples = np.stack([0.3 * np.sin(phase)] * 2).astype(np.float32)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream("aac", rate=rate, layout="stereo")
        for number in range(round(5 * seconds)):
            picture = np.full((64, 64, 3), 10 * number % 255, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for first in range(0, samples.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, first : first + 1024]), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts = rate, first
            container.mux(audio.encode(frame))
        container.mux(video.encode())
        container.mux(audio.encode())
