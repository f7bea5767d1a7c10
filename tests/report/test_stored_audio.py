"""Audio comes out of the tars of a run and out of nothing else, whatever the tables and tars claim."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.report.stored_audio import StoredAudio
from manifests.media import encode_flac

RATE = 16_000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)


def write_tar(path: Path, **members: bytes | tarfile.TarInfo) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            name = name.replace("__", ".")
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def stems_of(folder: Path, shard: str | None = "a.tar", key: str | None = "k"):
    return StoredAudio(Storage.at(folder)).stems({"shard": shard, "key": key})


def test_members_are_found_by_their_key(tmp_path):
    audio = encode_flac(NOISE, RATE)
    write_tar(
        tmp_path / "a.tar", other__mix__flac=b"x", k__json=b"{}", k__mix__flac=audio, k__residual__flac=audio
    )
    stems = stems_of(tmp_path)
    assert [stem.name for stem in stems] == ["mix", "residual"]
    assert stems[0].content == audio
    assert stems[0].sample_rate == RATE
    assert np.abs(stems[0].waveform - NOISE).max() < 2**-23


def test_a_row_without_audio_has_none(tmp_path):
    assert stems_of(tmp_path, None, None) == []


@pytest.mark.parametrize("shard", ["/etc/secrets.tar", "../a.tar", "shards/../../a.tar", "report.html"])
def test_names_that_lead_out_of_the_run_are_refused(tmp_path, shard):
    (tmp_path / "run").mkdir()
    write_tar(tmp_path / "a.tar", k__mix__flac=encode_flac(NOISE, RATE))
    with pytest.raises(UserError, match="no tar of this run"):
        stems_of(tmp_path / "run", shard)


def test_a_missing_tar_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.tar: this tar is missing"):
        stems_of(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_members_that_are_no_plain_files_are_refused(tmp_path, kind):
    write_tar(tmp_path / "a.tar", k__mix__flac=link(kind, "/etc/passwd"))
    with pytest.raises(UserError, match="no plain file"):
        stems_of(tmp_path)


def test_a_member_longer_than_the_tar_is_refused(tmp_path):
    info = tarfile.TarInfo("k.mix.flac")
    info.size = 2**33
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"short")
    with pytest.raises(UserError, match="longer than the tar"):
        stems_of(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a tar at all" * 64])
def test_what_is_no_tar_is_refused_or_empty(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    if content:
        with pytest.raises(UserError, match="not a tar that this run can have written"):
            stems_of(tmp_path)
    else:
        assert stems_of(tmp_path) == []


def test_garbage_instead_of_audio_is_refused(tmp_path):
    write_tar(tmp_path / "a.tar", k__mix__flac=b"fLaC" + b"\xff" * 500)
    with pytest.raises(UserError, match="cannot be decoded"):
        stems_of(tmp_path)


def test_a_stem_of_hours_is_refused_before_it_is_decoded(tmp_path):
    import soundfile

    sink = io.BytesIO()
    soundfile.write(sink, np.zeros(8_000 * 601, np.float32), 8_000, format="FLAC")
    write_tar(tmp_path / "a.tar", k__mix__flac=sink.getvalue())
    with pytest.raises(UserError, match="longer than 600 s"):
        stems_of(tmp_path)
