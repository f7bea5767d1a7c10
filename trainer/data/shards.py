"""Shards read by index: where each file of each sample lies in its tar, and its bytes when they are needed.

Random access takes no unpacking: an index is made by walking over the headers of a tar once, and a sound is
one range of bytes, on a disk or in object storage.
"""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from pydantic import ValidationError

from dataengine.errors import UserError
from dataengine.models.roles import Waveform
from dataengine.models.waveforms import resample
from manifests.media import MediaError, decode_flac
from manifests.remote import open_filesystem, storage_errors
from trainer.data.naming import Stems, naming_of_mixture, naming_of_target
from trainer.data.pools import MIXTURE, Item

LARGEST_NOTES = 2**20
"""Bytes of a sample's JSON that are read."""
LARGEST_SOUND = 2**30
"""Bytes of a FLAC file that are read."""
WAITS = (0.5, 2.0, 8.0, 30.0)
"""Seconds before each further try, while storage is in trouble."""


class _Notes(Stems):
    """What is read of a sample's JSON."""

    text: str | None = None
    band_hz: float | None = None
    recording_id: str | None = None


def index_shard(uri: str) -> list[Item]:
    """The samples of a shard that have a text, in its order; files and folders of other kinds are left out.

    Raises UserError if it is no tar or holds a sample that cannot be understood.
    """
    filesystem, path = open_filesystem(uri)
    try:
        with storage_errors(uri), filesystem.open(path, "rb") as file:
            return list(_items(file, uri))
    except FileNotFoundError as error:
        raise UserError("there is no such shard", where=uri) from error


def _items(file: IO[bytes], uri: str) -> Iterator[Item]:
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for key, files in _samples(tar):
                yield from _items_of(uri, key, files, tar)
    except tarfile.TarError as error:
        raise UserError(f"this is no tar, or a damaged one: {error}", where=uri) from error


def _samples(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Key and files, by suffix, of each sample: WebDataset's rule, neighbours with one stem."""
    key, files = "", dict[str, tarfile.TarInfo]()
    for member in tar:
        if not member.isreg():
            continue
        folder, slash, name = member.name.rpartition("/")
        stem, _, suffix = name.partition(".")
        if folder + slash + stem != key:
            if files:
                yield key, files
            key, files = folder + slash + stem, {}
        files[suffix] = member
    if files:
        yield key, files


def _items_of(uri: str, key: str, files: dict[str, tarfile.TarInfo], tar: tarfile.TarFile) -> Iterator[Item]:
    """The target of a sample; and of a triplet whose mixture has a name, the mixture."""
    notes = _notes(files["json"], tar, uri) if "json" in files else _Notes()
    if not notes.text:
        return
    members = tuple(
        (suffix, each.offset_data, each.size) for suffix, each in files.items() if suffix != "json"
    )
    try:
        target, mixture = naming_of_target(notes), naming_of_mixture(notes)
    except IndexError as error:
        raise UserError("target_stems are not among stem_phrases", where=f"{uri}:{key}.json") from error
    yield Item(
        shard=uri,
        key=key,
        text=notes.text,
        members=members,
        band_hz=notes.band_hz,
        other_names=tuple(name for name in target.names if name != notes.text),
        parts=target.parts,
        rest=target.rest,
        recording_id=notes.recording_id,
    )
    if mixture.names and target.rest:
        text, *others = mixture.names
        yield Item(
            uri,
            key,
            text,
            members,
            sound=MIXTURE,
            other_names=tuple(others),
            parts=mixture.parts,
            recording_id=notes.recording_id,
        )


def _notes(member: tarfile.TarInfo, tar: tarfile.TarFile, uri: str) -> _Notes:
    where = f"{uri}:{member.name}"
    if member.size > LARGEST_NOTES:
        raise UserError(f"notes of {member.size} bytes are too large to be read", where=where)
    file = tar.extractfile(member)
    try:
        return _Notes.model_validate_json(file.read() if file else b"", strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the notes"
        raise UserError(f"{place}: {first['msg']}", where=where) from error


@dataclass(frozen=True)
class ShardReader:
    """Reads sounds of items at one sample rate."""

    sample_rate: int
    """Hz."""

    def __call__(self, item: Item, member: str) -> Waveform:
        """A file of an item as a waveform.

        Raises UserError if the item has no such file or it holds no sound, OSError if storage stays in trouble.
        """
        where = f"{item.shard}:{item.key}.{member}"
        places = {name: (offset, size) for name, offset, size in item.members}
        if member not in places:
            raise UserError(f"the sample has {', '.join(sorted(places))} and no {member}", where=where)
        offset, size = places[member]
        if size > LARGEST_SOUND:
            raise UserError(f"a sound of {size} bytes is too large to be read", where=where)
        try:
            waveform, rate = decode_flac(_read_range(item.shard, offset, size))
        except MediaError as error:
            raise UserError(str(error), where=where) from error
        return resample(waveform, rate, self.sample_rate)


def _read_range(uri: str, offset: int, size: int) -> bytes:
    """Bytes of a file, tried again for a while if storage is in trouble."""
    filesystem, path = open_filesystem(uri)
    for wait in (*WAITS, None):
        try:
            with storage_errors(uri):
                content: bytes = filesystem.cat_file(path, start=offset, end=offset + size)
            if len(content) < size:
                raise UserError("the shard ends early; it was changed after it was indexed", where=uri)
            return content
        except (FileNotFoundError, PermissionError):
            raise
        except OSError:
            if wait is None:
                raise
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")
