"""Indexes of many shards, kept between runs."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest
import webdataset

from dataengine.errors import UserError
from trainer.data.indexing import index_shards, shards_in
from trainer.data.shards import index_shard


def write_shard(path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path)) as writer:
        for number, text in enumerate(texts):
            notes = json.dumps({"text": text, "band_hz": 7_000.0 if number else None}).encode()
            writer.write({"__key__": f"k{number}", "target.flac": b"x" * 700, "json": notes})


@pytest.fixture
def run(tmp_path):
    write_shard(tmp_path / "run" / "shards" / "shard-000001-of-000002.tar", ["rain"])
    write_shard(tmp_path / "run" / "shards" / "shard-000000-of-000002.tar", ["dog barking", "piano"])
    write_shard(tmp_path / "run" / "parts" / "00000" / "00000000-ab.tar", ["rejected"])
    return tmp_path / "run"


def test_places_name_the_shards_in_them(run, tmp_path):
    shards = [str(run / "shards" / f"shard-00000{number}-of-000002.tar") for number in range(2)]
    assert shards_in(str(run)) == shards_in(str(run / "shards")) == shards
    assert shards_in(str(run / "shards" / "*-of-000002.tar")) == shards
    assert shards_in(shards[1]) == [shards[1]]
    with pytest.raises(UserError, match="no shards"):
        shards_in(str(tmp_path / "elsewhere"))


def test_an_index_is_made_once_and_again_when_the_shard_changes(run, tmp_path, monkeypatch):
    shards, cache = shards_in(str(run)), tmp_path / "cache"
    fresh = [item for shard in shards for item in index_shard(shard)]
    walked = []
    monkeypatch.setattr(
        "trainer.data.indexing.index_shard", lambda uri: walked.append(uri) or index_shard(uri)
    )
    assert index_shards([str(run)], cache) == fresh
    assert index_shards(shards, cache) == fresh
    assert sorted(walked) == shards
    write_shard(run / "shards" / "shard-000001-of-000002.tar", ["rain", "thunder"])
    assert [item.text for item in index_shards(shards, cache)] == ["dog barking", "piano", "rain", "thunder"]
    assert sorted(walked) == [shards[0], shards[1], shards[1]]
    assert not list(cache.glob("*.incomplete"))


def test_shards_in_object_storage_are_indexed_alike(run, tmp_path):
    local = shards_in(str(run))
    for path in local:
        with fsspec.open(f"memory://bucket/run/shards/{path.rpartition('/')[2]}", "wb") as file:
            file.write(Path(path).read_bytes())
    remote = shards_in("memory://bucket/run")
    assert [each.rpartition("/")[2] for each in remote] == [each.rpartition("/")[2] for each in local]
    found = index_shards(remote, tmp_path / "cache")
    assert [item.members for item in found] == [
        item.members for item in index_shards(local, tmp_path / "cache")
    ]
    with pytest.raises(UserError, match="no such shard"):
        index_shards(["memory://bucket/nowhere.tar"], tmp_path / "cache")
