"""Folders of stems as tracks, through `dataengine index --stems`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from manifests.indexing import IndexOptions, IndexSummary, index
from manifests.tables import read_table

RATE = 8_000


def stem(path: Path, seconds: float, seed: int, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * rate)), rate)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A track with a mixture, and one that is longer, without; stems of several lengths and rates."""
    for number, name in enumerate(("mixture", "vocals", "drums")):
        stem(tmp_path / "album" / "With Mixture" / f"{name}.wav", 3, number)
    stem(tmp_path / "album" / "without" / "piano.wav", 5, 3)
    stem(tmp_path / "album" / "without" / "piano_2.flac", 6, 4, rate=16_000)
    (tmp_path / "album" / "without" / "cover.jpg").write_bytes(b"no sound")
    return tmp_path / "album"


def tracks(source: Path, **options: Any) -> tuple[list[dict[str, Any]], IndexSummary]:
    out = str(source.parent / "tracks.parquet")
    summary = index([str(source)], out, IndexOptions(stems=True, workers=1, window_seconds=4, **options))
    return read_table(out).to_pylist(), summary


def names(row: dict[str, Any]) -> dict[str, str]:
    return {each["label"]: Path(each["uri"]).name for each in row["stems"]}


def test_a_folder_is_a_track_and_its_mixture_is_no_stem(album: Path) -> None:
    rows, summary = tracks(album)
    assert summary.recordings == 2
    assert [(Path(row["uri"]).name, row["start"], row["duration"]) for row in rows] == [
        ("mixture.wav", 0, 3),
        ("piano_2.flac", 0, 4),
        ("piano_2.flac", 4, 2),
    ]
    assert names(rows[0]) == {"vocals": "vocals.wav", "drums": "drums.wav"}
    assert names(rows[1]) == {"piano": "piano.wav", "piano_2": "piano_2.flac"}


def test_labels_and_licences_come_from_a_table(album: Path) -> None:
    table = album.parent / "labels.csv"
    table.write_text(
        "file_name,label,licence,year\n"
        "album/without/piano.wav,church organ,CC0-1.0,1999\n"
        "album/without/piano_2.flac,,CC-BY-4.0,2001\n"
        "nowhere.wav,dog,CC0-1.0,1\n"
    )
    rows, summary = tracks(album, metadata=str(table))
    assert names(rows[1]) == {"church organ": "piano.wav", "piano_2": "piano_2.flac"}
    assert rows[1]["licence"] == "CC-BY-4.0 AND CC0-1.0"
    assert rows[1]["year"] == 2001
    assert rows[0]["licence"] is None
    assert "label" not in rows[0]
    assert summary.metadata_unmatched == 1


def test_a_track_is_what_its_stems_are(album: Path) -> None:
    before, _ = tracks(album)
    stem(album / "With Mixture" / "drums.wav", 3, 99)
    (album / "without").rename(album / "renamed")
    after, _ = tracks(album)
    assert before[0]["recording_id"] != after[0]["recording_id"]
    assert before[1]["unit_id"] == after[1]["unit_id"]
    (album / "renamed" / "piano.wav").rename(album / "renamed" / "organ.wav")
    relabelled, _ = tracks(album)
    assert relabelled[1]["unit_id"] != after[1]["unit_id"]


def test_what_is_wrong_with_a_track_is_told_in_its_row(album: Path) -> None:
    (album / "without" / "piano.wav").write_bytes(b"RIFF and then nothing")
    stem(album / "With Mixture" / "mix.flac", 3, 5)
    stem(album / "lonely" / "mixture.wav", 3, 6)
    rows, summary = tracks(album)
    wrong = {Path(row["uri"]).parent.name: (row["error_type"], row["error"]) for row in rows}
    assert wrong["With Mixture"] == ("TrackError", "the track has 2 mixtures; leave one")
    assert wrong["lonely"] == ("TrackError", "there is a mixture and no stem beside it")
    assert wrong["without"][1].startswith("piano.wav: ")
    assert summary.windows == 0


def test_the_channels_of_a_file_with_several_labels_are_stems(album: Path) -> None:
    table = album.parent / "labels.csv"
    table.write_text(
        "file_name,label\ntalk.wav,a woman speaking; a man speaking\nthree.wav,piano; drums; bass\n"
    )
    for name in ("talk", "three"):
        noise = np.random.default_rng(7).uniform(-0.3, 0.3, (3 * RATE, 2))
        soundfile.write(album / "without" / f"{name}.wav", noise, RATE)
    rows, _ = tracks(album, metadata=str(table))
    talk, three = (row for row in rows if row["channels"] == 2 or row["error"])
    assert [(each["label"], each["channel"]) for each in talk["stems"]] == [
        ("a woman speaking", 0),
        ("a man speaking", 1),
    ]
    assert three["error"] == "it has 2 channels and 3 labels"
    assert "talk" not in {label for row in rows if row["uri"] != talk["uri"] for label in names(row)}
