"""Fetching the catalogue's files: download Debian packages, take out clips and music, check their hashes.

Only files that the catalogue names are ever written, each under `<folder>/<package>/<path>` and only
once its hash is right, so a file that is there is a file that is right, and a second call is free.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from dataengine.errors import UserError
from manifests.catalogue.containers import (
    MAX_ENTRY_BYTES,
    ContainerError,
    openttd_sounds,
    qt_resources,
)
from manifests.catalogue.music import PackagedFile, all_pieces, soundfonts
from manifests.catalogue.recordings import Clip, Package, all_clips, packages
from manifests.lock import sole_writer
from manifests.progress import Progress

CatalogueFile: TypeAlias = Clip | PackagedFile

_OWN_FOLDER = (
    "to go on with recordings of your own: `dataengine index FOLDER -o M.parquet`, then "
    "`dataengine run stages/pseudolabel.yaml --set input=M.parquet`"
)
_DOWNLOADS = ".downloads"
_PARALLEL = 4
_TIMEOUT_SECONDS = 30


def fetch(files: Iterable[CatalogueFile], folder: Path) -> None:
    """Make sure that each of these files lies in `folder`.

    A package of which a file is missing is downloaded with `apt-get` (a broken download is resumed) and
    every file the catalogue has of it is taken out, with the package's copyright file beside them.
    Raises UserError where there is no network, no apt, or another version of a package.
    """
    files = list(files)
    if not _packages_missing(files, folder):
        return
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise UserError(
                f"the demo recordings come in Debian packages and there is no {tool}; {_OWN_FOLDER}"
            )
    with sole_writer(folder):
        _fetch_packages(_packages_missing(files, folder), folder)


def file_path(file: CatalogueFile, folder: Path) -> Path:
    """Where a file lies once it was fetched."""
    return folder / file.package / file.path


def _packages_missing(files: Iterable[CatalogueFile], folder: Path) -> list[Package]:
    names = sorted({file.package for file in files if not file_path(file, folder).exists()})
    return [packages()[name] for name in names]


def _files_of(package: str) -> Iterator[CatalogueFile]:
    """Everything that the catalogue has of a package."""
    fonts = (font.files for font in soundfonts().values())
    everything: Iterator[CatalogueFile] = chain(all_clips(), all_pieces(), *fonts)
    return (file for file in everything if file.package == package)


def _fetch_packages(wanted: list[Package], folder: Path) -> None:
    total = sum(package.size for package in wanted)
    pool = ThreadPoolExecutor(_PARALLEL)
    try:
        with Progress("Fetching recordings", total=total, unit="MB", scale=1e-6) as progress:
            pending: set[Future[int]] = {pool.submit(_fetch_package, package, folder) for package in wanted}
            done = 0
            while pending:
                finished, pending = wait(pending, timeout=0.25, return_when=FIRST_COMPLETED)
                done += sum(future.result() for future in finished)
                progress.update(min(done + _partial_bytes(folder), total))
    finally:
        pool.shutdown(cancel_futures=True)
    shutil.rmtree(folder / _DOWNLOADS, ignore_errors=True)


def _fetch_package(package: Package, folder: Path) -> int:
    downloads = folder / _DOWNLOADS / package.name
    downloads.mkdir(parents=True, exist_ok=True)
    archive = _download(package, downloads)
    unpack(archive, package, folder)
    shutil.rmtree(downloads)
    return package.size


def _download(package: Package, downloads: Path) -> Path:
    done = _apt_get(["download", package.name], downloads)
    if "Unable to locate" in done.stderr and os.geteuid() == 0:  # the machine has no package lists yet
        _apt_get(["update"], downloads)
        done = _apt_get(["download", package.name], downloads)
    archives = sorted(downloads.glob(f"{package.name}_*.deb"))
    if done.returncode != 0 or not archives:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("E:")] or [
            "E: apt-get failed"
        ]
        raise UserError(
            f"cannot fetch the Debian package {package.name} ({reasons[0].removeprefix('E: ')}); without "
            f"package lists `sudo apt-get update` helps; {_OWN_FOLDER}"
        )
    return archives[-1]


def _apt_get(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    settings = [f"Acquire::http::Timeout={_TIMEOUT_SECONDS}", "Acquire::Retries=1"]
    if os.geteuid() == 0:
        settings.append("APT::Sandbox::User=root")  # apt's own user may not write here
    options = [word for setting in settings for word in ("-o", setting)]
    command = ["apt-get", "-q", *options, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def unpack(archive: Path, package: Package, folder: Path) -> None:
    """Take the catalogue's files out of a `.deb`; raises UserError if one is missing or other than expected."""
    wanted = {file.path: file for file in _files_of(package.name)}
    containers = {container for path in wanted if (container := _container_of(path))}
    licence_file = f"usr/share/doc/{package.name}/copyright"
    try:
        for path, content in _members(archive, {*wanted, *containers, licence_file}):
            if path == licence_file:
                _write(folder / package.name / "copyright", content)
                continue
            for entry, data in _entries(path, content):
                file = wanted.get(entry)
                if file is not None and hashlib.sha256(data).hexdigest().startswith(file.sha256):
                    _write(file_path(file, folder), data)
                    del wanted[entry]
    except (ContainerError, tarfile.TarError) as error:
        raise UserError(f"the Debian package {archive.name} cannot be unpacked: {error}") from error
    if wanted:
        raise UserError(
            f"{archive.name} lacks {len(wanted)} files of the catalogue, which was made from version "
            f"{package.version}; {_OWN_FOLDER}"
        )


def _members(archive: Path, paths: set[str]) -> Iterator[tuple[str, bytes]]:
    """Content of the regular files of a `.deb` that stand at one of these paths."""
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as members,
    ):
        for member in members:
            path = member.name.removeprefix("./")
            if path not in paths or not member.isreg() or member.size > MAX_ENTRY_BYTES:
                continue
            content = members.extractfile(member)
            if content is not None:
                yield path, content.read()


def _entries(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The file itself, or the files in it where it is a container."""
    if path.endswith(".rcc"):
        yield from ((f"{path}/{name}", data) for name, data in qt_resources(content))
    elif path.endswith(".cat"):
        yield from ((f"{path}/{i:02d}.wav", data) for i, data in enumerate(openttd_sounds(content)))
    else:
        yield path, content


def _container_of(path: str) -> str | None:
    for suffix in (".rcc", ".cat"):
        before, found, _ = path.partition(f"{suffix}/")
        if found:
            return before + suffix
    return None


def _write(path: Path, content: bytes) -> None:
    """Publish a file at once: a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _partial_bytes(folder: Path) -> int:
    total = 0
    for path in (folder / _DOWNLOADS).rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # unpacked and removed since it was listed
            continue
    return total
