"""Shards by index: what WebDataset writes is what is read, wherever it lies."""

from __future__ import annotations

import io
import json
import tarfile

import fsspec
import numpy as np
import pytest
import webdataset

from dataengine.errors import UserError
from manifests.media import encode_stems
from trainer.data.indexing import index_shards
from trainer.data.shards import ShardReader, index_shard

RATE = 16_000


def sample(key: str, real_sound, **notes) -> dict:
    voice, banjo = real_sound("speech").numpy(), real_sound("instrument", "banjo").numpy()
    stems = encode_stems(voice + banjo, voice, banjo, sample_rate=RATE)
    return {"__key__": key, **dict(stems.members()), "json": json.dumps(notes).encode()}


@pytest.fixture
def shard(tmp_path, real_sound):
    path = tmp_path / "shard-000000-of-000001.tar"
    with webdataset.TarWriter(str(path)) as writer:
        writer.write(sample("a1", real_sound, text="woman speaking", band_hz=7_000))
        writer.write(sample("b2", real_sound, text=None))
        writer.write(
            {"__key__": "c3", "target.flac": b"no flac", "json": json.dumps({"text": "rain"}).encode()}
        )
    return path


def test_every_sample_with_a_text_is_found_and_read(shard, real_sound):
    first, broken = index_shard(str(shard))
    assert (first.key, first.text, first.band_hz) == ("a1", "woman speaking", 7_000)
    read = ShardReader(RATE)
    voice, banjo = real_sound("speech").numpy(), real_sound("instrument", "banjo").numpy()
    for member, expected in (("target.flac", voice), ("residual.flac", banjo), ("mix.flac", voice + banjo)):
        np.testing.assert_allclose(read(first, member), expected, atol=1e-5)
    assert len(ShardReader(8_000)(first, "target.flac")) == len(voice) // 2
    with pytest.raises(UserError, match=r"a1\.video\.npy.*has mix\.flac, residual\.flac, target\.flac"):
        read(first, "video.npy")
    with pytest.raises(UserError, match=r"c3\.target\.flac"):
        read(broken, "target.flac")


def test_of_a_triplet_target_and_mixture_are_two_sounds_with_names_of_their_own(tmp_path, real_sound):
    path = tmp_path / "shard-000000-of-000001.tar"
    phrases = [["music", "banjo playing"], ["music", "singing"]]
    notes = {"text": "banjo playing", "stem_phrases": phrases, "target_stems": [0]}
    with webdataset.TarWriter(str(path)) as writer:
        writer.write(sample("a1", real_sound, **notes))
    target, mixture = index_shard(str(path))
    assert (target.names, target.rest) == (("banjo playing", "music"), ("music", "singing"))
    assert (mixture.names, mixture.parts) == (("music",), ("banjo playing", "music", "singing"))
    for item, suffix in ((target, "target.flac"), (mixture, "mix.flac")):
        np.testing.assert_array_equal(ShardReader(RATE)(item, item.sound), ShardReader(RATE)(item, suffix))
    assert index_shards([str(path)], tmp_path / "index") == index_shards([str(path)], tmp_path / "index")
    assert index_shards([str(path)], tmp_path / "index") == [target, mixture]


def test_object_storage_gives_the_same(shard):
    remote = "memory://bucket/shard.tar"
    with fsspec.open(remote, "wb") as file:
        file.write(shard.read_bytes())
    local_item, remote_item = index_shard(str(shard))[0], index_shard(remote)[0]
    assert local_item.members == remote_item.members
    read = ShardReader(RATE)
    np.testing.assert_array_equal(read(remote_item, "mix.flac"), read(local_item, "mix.flac"))


def test_a_place_is_where_tar_says_it_is(shard):
    (item, _) = index_shard(str(shard))
    with tarfile.open(shard) as tar:
        for suffix, offset, size in item.members:
            member = tar.getmember(f"a1.{suffix}")
            assert (member.offset_data, member.size) == (offset, size)


def test_what_is_no_shard_is_said_in_one_line(tmp_path, shard):
    with pytest.raises(UserError, match="no such shard"):
        index_shard(str(tmp_path / "missing.tar"))
    (tmp_path / "text.tar").write_text("not a tar at all, but long enough to be looked at" * 50)
    with pytest.raises(UserError, match="no tar"):
        index_shard(str(tmp_path / "text.tar"))
    item, _ = index_shard(str(shard))
    shard.write_bytes(shard.read_bytes()[:2_000])
    with pytest.raises(UserError, match="ends early"):
        ShardReader(RATE)(item, "mix.flac")


@pytest.mark.parametrize(
    "notes", [b"{", b"[1]", b'{"text": 3}', b'{"text": "rain", "band_hz": "high"}', b" " * (2**20 + 1)]
)
def test_notes_that_cannot_be_understood_name_their_place(tmp_path, notes):
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("k.json")
        member.size = len(notes)
        tar.addfile(member, io.BytesIO(notes))
    with pytest.raises(UserError, match=r"odd\.tar:k\.json"):
        index_shard(str(path))


def test_storage_in_trouble_is_asked_again(shard, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    item, _ = index_shard(str(shard))
    honest, calls = LocalFileSystem.cat_file, []

    def troubled(self, *arguments, **named):
        calls.append(arguments)
        if len(calls) < 3:
            raise TimeoutError("storage does not answer")
        return honest(self, *arguments, **named)

    monkeypatch.setattr(LocalFileSystem, "cat_file", troubled)
    monkeypatch.setattr("trainer.data.shards.WAITS", (0.0, 0.0, 0.0))
    assert len(ShardReader(RATE)(item, "mix.flac"))
    assert len(calls) == 3
