"""Daft: four batch functions on its native runner, waveforms as tensors of a fixed shape."""

import os
from pathlib import Path

import daft
import numpy as np
import pyarrow as pa
from daft import DataType, Series
from engine_work import CLIPS_A_BATCH, SAMPLES, Task, decode, encode, mask, score, write_tar

WAVEFORM = DataType.tensor(DataType.float32(), shape=(SAMPLES,))


def waveforms(column: Series) -> np.ndarray:
    """The rows as one array, [rows, SAMPLES], without a copy."""
    storage = column.to_arrow()
    storage = getattr(storage, "storage", storage)
    return storage.flatten().to_numpy().reshape(-1, SAMPLES)


def tensors(rows: list[np.ndarray]) -> pa.Array:
    """Rows as Arrow holds a tensor."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(rows)), SAMPLES)


@daft.func.batch(return_dtype=WAVEFORM, batch_size=CLIPS_A_BATCH)
def decode_batch(clips: Series):
    """Paths → waveforms."""
    return tensors([decode(path) for path in clips.to_pylist()])


@daft.func.batch(return_dtype=WAVEFORM, batch_size=CLIPS_A_BATCH)
def mask_batch(column: Series):
    """Waveforms → the same, masked."""
    return tensors([mask(waveform) for waveform in waveforms(column)])


@daft.func.batch(return_dtype=DataType.float64(), batch_size=CLIPS_A_BATCH)
def score_batch(column: Series):
    """Waveforms → scores."""
    return pa.array([score(waveform) for waveform in waveforms(column)])


@daft.func.batch(return_dtype=DataType.int64(), batch_size=CLIPS_A_BATCH)
def store_batch(clips: Series, column: Series, output: str):
    """Encodes into a tar; gives the sizes."""
    encoded = [
        (path, encode(waveform)) for path, waveform in zip(clips.to_pylist(), waveforms(column), strict=True)
    ]
    write_tar(Path(output) / f"{Path(encoded[0][0]).stem}.tar", encoded)
    return pa.array([len(data) for _, data in encoded])


def main() -> None:
    """Read, apply, write."""
    task = Task.from_arguments()
    daft.set_runner_native()
    task.ready()
    frame = daft.from_arrow(pa.table({"clip": task.paths}))
    frame = frame.with_column("waveform", mask_batch(decode_batch(frame["clip"])))
    frame = frame.with_column("score", score_batch(frame["waveform"]))
    frame = frame.with_column("bytes", store_batch(frame["clip"], frame["waveform"], str(task.output)))
    frame.select("clip", "score", "bytes").write_parquet(str(task.output))
    os._exit(0)  # its threads outlive the interpreter, which then aborts


if __name__ == "__main__":
    main()
