from __future__ import annotations

from pathlib import Path

import numpy as np
from media_files import sound, write_container, write_sound

from manifests.content import FULL_HASH_BYTES, audio_digest, recording_id
from manifests.media import open_recording
from manifests.media.source import open_source


def identity(path: Path) -> str:
    with open_source(str(path)) as source:
        return recording_id(source)


def digest(path: Path) -> str:
    with open_recording(str(path)) as recording:
        return audio_digest(recording)


def test_content_counts_and_names_do_not(tmp_path: Path) -> None:
    for name, content in [("a.wav", b"abc" * 1000), ("b.mp3", b"abc" * 1000), ("c.wav", b"abd" * 1000)]:
        (tmp_path / name).write_bytes(content)
    assert identity(tmp_path / "a.wav") == identity(tmp_path / "b.mp3") != identity(tmp_path / "c.wav")


def test_large_files_are_told_apart_by_size_and_samples(tmp_path: Path) -> None:
    def large(name: str, size: int, mark: int) -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(size)
            file.seek(mark)
            file.write(b"x")
        return path

    size = FULL_HASH_BYTES + 10**6
    base = identity(large("a", size, 10))
    assert base == identity(large("b", size, 10))
    others = [large("c", size + 1, 10), large("d", size, 11), large("e", size, size - 10)]
    assert base not in {identity(path) for path in others}


def test_a_lossless_copy_sounds_the_same(tmp_path: Path) -> None:
    samples = (sound(2, 16000, channels=2) * 2**15).astype(np.int16)
    original = write_sound(tmp_path / "a.wav", samples, 16000)
    copy = write_sound(tmp_path / "a.flac", samples, 16000)
    lossy = write_container(tmp_path / "a.mp3", sound(2, 16000, channels=2), 16000, "libmp3lame")
    other = write_sound(tmp_path / "b.wav", samples // 2, 16000)
    assert digest(original) == digest(copy)
    assert len({digest(original), digest(lossy), digest(other)}) == 3
