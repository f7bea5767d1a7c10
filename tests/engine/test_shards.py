"""Shards as others read them: webdataset, Hugging Face datasets, and plain tar."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

STEMS = ("mix.flac", "target.flac", "residual.flac")


@pytest.fixture
def run_dir(cheap_run, tmp_path: Path) -> Path:
    return cheap_run(tmp_path / "run", 60, "pack.shard_megabytes=0.1")


def shards_of(run_dir: Path) -> list[str]:
    shards = sorted(str(path) for path in (run_dir / "shards").glob("*.tar"))
    assert len(shards) > 1
    return shards


def packed_ids(run_dir: Path) -> set[str]:
    rows = pq.read_table(run_dir / "samples").to_pandas()
    return set(rows[rows["kept"] & rows["left_out"].isna()]["sample_id"])


def assert_stems_add_up(sample: dict[str, bytes]) -> None:
    mixture, target, residual = (soundfile.read(io.BytesIO(sample[stem]))[0] for stem in STEMS)
    assert 20 * np.log10(np.abs(mixture - target - residual).max() + 1e-12) < -100


def test_webdataset_reads_every_sample(run_dir):
    import webdataset

    seen = set()
    for sample in webdataset.WebDataset(shards_of(run_dir), shardshuffle=False):
        seen.add(sample["__key__"])
        assert json.loads(sample["json"])["sample_id"] == sample["__key__"]
        assert_stems_add_up(sample)
    assert seen == packed_ids(run_dir)


def test_datasets_reads_every_sample(run_dir, tmp_path):
    from datasets import Audio, load_dataset

    loaded = load_dataset("webdataset", data_files=shards_of(run_dir), cache_dir=str(tmp_path), split="train")
    for stem in STEMS:
        loaded = loaded.cast_column(stem, Audio(decode=False))
    assert set(loaded["__key__"]) == packed_ids(run_dir)
    for row in loaded:
        assert row["json"]["sample_id"] == row["__key__"]
        assert_stems_add_up({stem: row[stem]["bytes"] for stem in STEMS})


def test_tar_lists_every_member_of_a_sample_next_to_each_other(run_dir):
    members = [
        name
        for shard in shards_of(run_dir)
        for name in subprocess.run(
            ["tar", "tf", shard], capture_output=True, text=True, check=True
        ).stdout.split()
    ]
    keys = [name.split(".", 1)[0] for name in members]
    assert set(keys) == packed_ids(run_dir)
    assert [name.split(".", 1)[1] for name in members] == [*STEMS, "json"] * len(packed_ids(run_dir))
    assert keys == [key for key in keys[::4] for _ in range(4)]
