from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from dataengine.errors import UserError
from manifests.catalogue.fetch import fetch, file_path, unpack
from manifests.catalogue.recordings import all_clips, clips_of, packages

OWN_FOLDER = "dataengine index FOLDER -o M.parquet"


def deb(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A Debian package with these files."""
    root = folder / "root"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 9\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n"
        "Description: none\n"
    )
    archive = folder / f"{name}_9_all.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", root, archive], check=True, capture_output=True)
    return archive


def test_every_clip_is_there_with_the_bytes_the_catalogue_says(recordings: Path) -> None:
    for clip in all_clips()[::7]:
        if clip.split != "seed":
            content = file_path(clip, recordings).read_bytes()
            assert hashlib.sha256(content).hexdigest().startswith(clip.sha256)


def test_each_package_leaves_its_copyright_file(recordings: Path) -> None:
    for package in {clip.package for clip in clips_of("pool")}:
        assert "icen" in (recordings / package / "copyright").read_text(encoding="utf-8")


def test_what_is_there_is_not_fetched_again(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    fetch(clips_of("pool"), recordings)


def test_without_apt_one_line_says_how_to_use_a_folder_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="there is no apt-get") as caught:
        fetch(clips_of("pool"), tmp_path)
    assert OWN_FOLDER in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_network_one_line_says_how_to_use_a_folder_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_port = tmp_path / "apt.conf"
    closed_port.write_text(
        'Acquire::http::Proxy "http://127.0.0.1:9";\nAcquire::https::Proxy "http://127.0.0.1:9";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(closed_port))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot fetch the Debian package") as caught:
        fetch([clips_of("pool")[0]], tmp_path / "recordings")
    assert OWN_FOLDER in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_clip_with_other_bytes_is_not_taken(tmp_path: Path) -> None:
    package = packages()["bucklespring-data"]
    clips = [clip for clip in all_clips() if clip.package == package.name]
    archive = deb(tmp_path, package.name, {clips[0].path: b"RIFF of another version"})
    with pytest.raises(UserError, match=rf"lacks {len(clips)} files .* version {package.version}"):
        unpack(archive, package, tmp_path / "out")
    assert not file_path(clips[0], tmp_path / "out").exists()


def test_nothing_but_the_catalogues_clips_is_written(tmp_path: Path) -> None:
    archive = deb(tmp_path, "scratch", {"usr/share/scratch/stranger.wav": b"RIFF", "etc/passwd": b"root"})
    with pytest.raises(UserError, match="lacks"):
        unpack(archive, packages()["scratch"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_container_is_one_line(tmp_path: Path) -> None:
    container = "usr/share/games/openttd/baseset/opensfx/opensfx.cat"
    archive = deb(tmp_path, "openttd-opensfx", {container: b"\x08\0\0\x80\xff\xff\xff\x7f\0"})
    with pytest.raises(UserError, match="cannot be unpacked: an entry of 2147483647 bytes"):
        unpack(archive, packages()["openttd-opensfx"], tmp_path / "out")


def test_a_damaged_package_is_one_line(tmp_path: Path) -> None:
    archive = tmp_path / "scratch_9_all.deb"
    archive.write_bytes(b"!<arch>\nnot a package")
    with pytest.raises(UserError, match=r"scratch_9_all\.deb"):
        unpack(archive, packages()["scratch"], tmp_path / "out")
