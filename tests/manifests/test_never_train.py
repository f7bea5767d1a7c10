"""Lists of what must never train."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from media_files import sound, write_sound

from manifests.never_train import read_never_train, write_never_train

RATE = 16_000


def listed(path: Path) -> dict[str, str | None]:
    """File name → recording id."""
    return {Path(row["uri"]).name: row["recording_id"] for row in pq.read_table(path).to_pylist()}


def test_a_list_grows_shrinks_and_follows_its_files(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.wav" for name in "abc"]
    for number, file in enumerate(files):
        write_sound(file, sound(0.5, RATE, seed=number), RATE)
        os.utime(file, (1e9, 1e9))
    path = tmp_path / "list.parquet"
    write_never_train(path, files[:2])
    before = path.stat().st_mtime_ns
    first = listed(path)
    write_never_train(path, files[:2])
    assert path.stat().st_mtime_ns == before
    write_never_train(path, files)
    assert listed(path) == first | {"c.wav": listed(path)["c.wav"]}
    assert len(read_never_train(str(path)).recording_ids) == 3
    shutil.copy(files[2], files[0])
    write_never_train(path, files)
    assert listed(path)["a.wav"] == listed(path)["c.wav"] != first["a.wav"]
    write_never_train(path, files[1:2])
    assert listed(path) == {"b.wav": first["b.wav"]}


def test_what_cannot_be_read_marks_nothing(tmp_path: Path) -> None:
    good, bad, path = tmp_path / "good.wav", tmp_path / "bad.wav", tmp_path / "list.parquet"
    write_sound(good, sound(0.5, RATE), RATE)
    bad.write_text("no sound")
    write_never_train(path, [good, bad])
    assert len(read_never_train(str(path)).recording_ids) == 1
