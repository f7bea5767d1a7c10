"""Films through a run: frames and masks cross worker groups, and what is kept of them lies in the shards."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import CHEAP_STAGES
from media_files import sound, write_film, write_sound

from dataengine import Pipeline, run
from manifests.indexing import IndexOptions, index
from manifests.media import read_frames

VISUAL_STAGES = Path(__file__).with_name("visual_stages.py")
RATE = 16_000
HEIGHT, WIDTH = 36, 63

PIPELINE = """\
stages: [decode, frames, propose, halve, draw, blue, judge]
engine:
  slice_units: 4
  micro_batch_units: 2
  workers: 1
  groups: [[decode, frames], [propose, halve], [draw, blue, judge]]
"""


def moving_square(seconds: int) -> Iterator[tuple[float, np.ndarray]]:
    """A blue square on red that moves to the right."""
    for number in range(seconds * 10):
        picture = np.full((HEIGHT, WIDTH + 1, 3), (180, 30, 30), np.uint8)
        picture[8:24, number // 2 : number // 2 + 16] = (30, 30, 220)
        yield number / 10, picture


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five windows of a film, and five of sound alone."""
    folder = tmp_path_factory.mktemp("recordings")
    write_film(folder / "a.mp4", moving_square(5), sound(5, RATE), RATE, frames_per_second=10)
    write_sound(folder / "b.wav", sound(5, RATE, seed=1), RATE)
    manifest = str(folder / "manifest.parquet")
    index([str(folder)], manifest, IndexOptions(window_seconds=1))
    return manifest


def rows_and_samples(manifest: str, folder: Path, *overrides: str) -> tuple[list[Any], dict[str, Any]]:
    """The candidates of a run that keeps all of them, and its shards' samples by key."""
    import webdataset

    folder.mkdir(exist_ok=True)
    (folder / "visual.yaml").write_text(PIPELINE)
    settings = [f"input={manifest}", "stages.judge.threshold=-1", *overrides]
    pipeline = Pipeline.load(folder / "visual.yaml", settings, [str(CHEAP_STAGES), str(VISUAL_STAGES)])
    run(pipeline, folder / "run")
    rows = pq.read_table(folder / "run" / "samples").to_pylist()
    shards = sorted(str(path) for path in (folder / "run" / "shards").glob("*.tar"))
    samples = {each["__key__"]: each for each in webdataset.WebDataset(shards, shardshuffle=False)}
    return [row for row in rows if row["kind"] == "text"], samples


def test_kept_masks_lie_in_the_shards(ray_cluster, manifest: str, tmp_path: Path) -> None:
    rows, samples = rows_and_samples(manifest, tmp_path)
    assert len(rows) > 5
    assert {row["status"] for row in rows} == {"done"}
    masked = [row for row in rows if row["mask_reference"] is not None]
    odd_films = [row for row in rows if row["has_video"] and row["text"][-1] in "13"]
    assert {row["sample_id"] for row in masked} == {row["sample_id"] for row in odd_films}
    assert masked
    for row in rows:
        sample = samples[row["sample_id"]]
        notes = json.loads(sample["json"])
        assert notes["mask_reference"] == row["mask_reference"]
        archive = np.load(io.BytesIO(sample["mask.npz"]))
        assert "video.npy" not in sample
        if row not in masked:
            assert archive["mask"].tolist() == [[[0]]]
            assert "mask_coverage" not in notes["scores"]
            continue
        assert row["mask_reference"] == f"{row['sample_id']}.mask.npz"
        frames = read_frames(row["uri"], row["start"], row["duration"], 4, 512)
        np.testing.assert_array_equal(archive["mask"], frames[..., 2] > 150)
        assert archive["hop_seconds"] == np.float32(notes["frames_hop_seconds"]) == np.float32(0.25)
        assert row["mask_coverage"] == pytest.approx(archive["mask"].mean())
        assert notes["scores"]["mask_coverage"] == row["mask_coverage"]
        assert 0.05 < row["mask_coverage"] < 0.2


def test_frames_are_stored_where_that_is_asked_for(ray_cluster, manifest: str, tmp_path: Path) -> None:
    rows, samples = rows_and_samples(manifest, tmp_path, "engine.store_frames=true")
    for row in rows:
        stored = np.load(io.BytesIO(samples[row["sample_id"]]["video.npy"]))
        if row["has_video"]:
            frames = read_frames(row["uri"], row["start"], row["duration"], 4, 512)
            np.testing.assert_array_equal(stored, frames)
        else:
            assert stored.shape == (1, 1, 1, 3)
    assert_read_by_datasets(tmp_path, rows)


def assert_read_by_datasets(folder: Path, rows: list[Any]) -> None:
    """With masks and without, Hugging Face datasets reads every sample."""
    from datasets import Audio, load_dataset

    shards = [str(path) for path in (folder / "run" / "shards").glob("*.tar")]
    loaded = load_dataset("webdataset", data_files=shards, cache_dir=str(folder), split="train")
    for stem in ("mix.flac", "target.flac", "residual.flac"):
        loaded = loaded.cast_column(stem, Audio(decode=False))
    coverage = {row["sample_id"]: row["mask_coverage"] for row in rows}
    for sample in loaded:
        mask = np.array(sample["mask.npz"]["mask"])
        assert mask.mean() == pytest.approx(coverage.pop(sample["__key__"]) or 0.0)
    assert not coverage
