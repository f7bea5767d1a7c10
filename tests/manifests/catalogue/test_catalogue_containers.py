from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.catalogue.containers import (
    MAX_ENTRY_BYTES,
    ContainerError,
    openttd_sounds,
    qt_resources,
)

HEADER = 20


def qt_resource(files: dict[str, bytes], version: int = 2, compressed: bool = True) -> bytes:
    """A Qt resource with one directory, `sounds`, as rcc would write it."""
    names = b"".join(struct.pack(">HI", len(n), 0) + n.encode("utf-16-be") for n in ["sounds", *files])
    name_offsets = [0]
    for name in ["sounds", *files]:
        name_offsets.append(name_offsets[-1] + 6 + 2 * len(name))
    time = b"" if version == 1 else bytes(8)
    directory = struct.pack(">HII", 2, 1, 1) + time
    tree = [struct.pack(">I", 0) + directory, struct.pack(">IHII", 0, 2, len(files), 2) + time]
    data = b""
    for offset, content in zip(name_offsets[1:], files.values(), strict=False):
        stored = struct.pack(">I", len(content)) + zlib.compress(content) if compressed else content
        tree.append(struct.pack(">IHHHI", offset, int(compressed), 0, 0, len(data)) + time)
        data += struct.pack(">I", len(stored)) + stored
    nodes = b"".join(tree)
    tree_at, names_at, data_at = HEADER, HEADER + len(nodes), HEADER + len(nodes) + len(names)
    return struct.pack(">4s4I", b"qres", version, tree_at, data_at, names_at) + nodes + names + data


def sound_set(sounds: list[bytes]) -> bytes:
    """An OpenTTD sound set with names of one letter."""
    table, body = b"", b""
    for sound in sounds:
        table += struct.pack("<II", 0x80000000 | (8 * len(sounds) + len(body)), len(sound))
        body += b"\x02x\0" + sound
    return table + body


RIFF = st.binary(max_size=40).map(lambda content: b"RIFF" + content)
NAMES = st.text("abcdefgh.-", min_size=1, max_size=9).filter(lambda name: name not in {".", ".."})


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=5), st.sampled_from([1, 2, 3]), st.booleans())
def test_files_of_a_qt_resource_come_back(files: dict[str, bytes], version: int, compressed: bool) -> None:
    found = dict(qt_resources(qt_resource(files, version, compressed)))
    assert found == {f"sounds/{name}": content for name, content in files.items()}


@given(st.lists(RIFF, min_size=1, max_size=5))
def test_entries_of_a_sound_set_come_back(sounds: list[bytes]) -> None:
    assert list(openttd_sounds(sound_set(sounds))) == sounds


@given(st.data())
def test_damage_is_an_error_and_never_anything_else(data: st.DataObject) -> None:
    container = bytearray(
        data.draw(
            st.sampled_from(
                [qt_resource({"a.ogg": b"one" * 50, "b.ogg": b"two"}), sound_set([b"RIFFone", b"RIFFtwo"])]
            )
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        container[data.draw(st.integers(0, len(container) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(container[: data.draw(st.integers(0, len(container)))])
    for reader in (qt_resources, openttd_sounds):
        try:
            for entry in reader(damaged):
                assert entry is not None
        except ContainerError:
            continue


@given(st.binary(max_size=400))
def test_noise_is_an_error_and_never_anything_else(noise: bytes) -> None:
    for reader in (qt_resources, openttd_sounds):
        with pytest.raises(ContainerError):
            list(reader(noise + b"\xff"))


def test_a_tree_that_contains_itself_ends() -> None:
    container = bytearray(qt_resource({"a": b""}))
    struct.pack_into(">II", container, HEADER + 22 + 6, 1, 1)  # the directory's only child is itself
    with pytest.raises(ContainerError, match="too large or has a cycle"):
        list(qt_resources(bytes(container)))


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\0b"])
def test_a_name_that_is_a_path_is_refused(name: str) -> None:
    with pytest.raises(ContainerError, match="no file name"):
        list(qt_resources(qt_resource({name: b""})))


@pytest.mark.parametrize("compressed", [True, False])
def test_an_entry_that_is_cut_off_is_an_error(compressed: bool) -> None:
    with pytest.raises(ContainerError, match="an entry ends at byte"):
        list(qt_resources(qt_resource({"a": b"content"}, compressed=compressed)[:-1]))
    with pytest.raises(ContainerError, match="an entry ends at byte"):
        list(openttd_sounds(sound_set([b"RIFFcontent"])[:-1]))


def test_an_entry_that_expands_beyond_the_limit_is_refused() -> None:
    bomb = struct.pack(">I", MAX_ENTRY_BYTES + 1) + zlib.compress(bytes(10))
    with pytest.raises(ContainerError, match="over the limit"):
        list(qt_resources(_with_stored(bomb)))


def test_an_entry_that_expands_to_more_than_it_claims_is_refused() -> None:
    with pytest.raises(ContainerError, match="other than the 5 bytes"):
        list(qt_resources(_with_stored(struct.pack(">I", 5) + zlib.compress(bytes(10_000)))))


def _with_stored(stored: bytes) -> bytes:
    """A Qt resource whose only file is stored as given, and said to be compressed."""
    container = bytearray(qt_resource({"a": stored}, compressed=False))
    struct.pack_into(">H", container, HEADER + 2 * 22 + 4, 1)
    return bytes(container)
