"""Ray Data, written by hand: four map_batches that Ray fuses, waveforms as Arrow tensors."""

from pathlib import Path

import numpy as np
import ray
from engine_work import (
    CLIPS_A_BATCH,
    CLIPS_A_TASK,
    SAMPLES,
    WORKERS,
    Task,
    decode,
    encode,
    mask,
    score,
    write_tar,
)


def decode_batch(batch):
    """Paths → [rows, SAMPLES]."""
    waveforms = np.empty((len(batch["clip"]), SAMPLES), np.float32)
    for row, path in enumerate(batch["clip"]):
        waveforms[row] = decode(path)
    return {"clip": batch["clip"], "waveform": waveforms}


def mask_batch(batch):
    """[rows, SAMPLES] → the same, masked."""
    return {**batch, "waveform": np.stack([mask(waveform) for waveform in batch["waveform"]])}


def score_batch(batch):
    """Adds the scores."""
    return {**batch, "score": np.array([score(waveform) for waveform in batch["waveform"]])}


def store_batch(batch, output: Path):
    """Encodes into a tar; the waveforms go."""
    encoded = [
        (path, encode(waveform)) for path, waveform in zip(batch["clip"], batch["waveform"], strict=True)
    ]
    write_tar(output / f"{Path(batch['clip'][0]).stem}.tar", encoded)
    return {"clip": batch["clip"], "score": batch["score"]}


def main() -> None:
    """Read, map, write."""
    task = Task.from_arguments()
    ray.init(
        address="local",
        num_cpus=WORKERS,
        include_dashboard=False,
        object_store_memory=512 * 2**20,
        log_to_driver=False,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    task.ready()
    clips = [{"clip": path} for path in task.paths]
    blocks = max(WORKERS, len(clips) // CLIPS_A_TASK)
    dataset = ray.data.from_items(clips, override_num_blocks=blocks)
    for step in (decode_batch, mask_batch, score_batch):
        dataset = dataset.map_batches(
            step, batch_size=CLIPS_A_BATCH, batch_format="numpy", zero_copy_batch=True
        )
    dataset.map_batches(
        store_batch,
        batch_size=CLIPS_A_BATCH,
        batch_format="numpy",
        zero_copy_batch=True,
        fn_kwargs={"output": task.output},
    ).write_parquet(str(task.output))


if __name__ == "__main__":
    main()
