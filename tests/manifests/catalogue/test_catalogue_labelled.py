"""Rendered music: stems that are true, split by split, and the same bytes each time."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import mido
import numpy as np
import pytest

from dataengine.errors import UserError
from manifests.catalogue.fetch import fetch, file_path
from manifests.catalogue.labelled import labels_to_train_on, make_labelled
from manifests.catalogue.midi import by_instrument
from manifests.catalogue.music import (
    Piece,
    all_pieces,
    instruments,
    pieces_of,
    soundfont_of,
    soundfonts,
)
from manifests.catalogue.recordings import SPLITS, clips_of, packages
from manifests.catalogue.synthesis import RENDER_RATE, check_synthesiser, render
from manifests.media import probe, read_window


@pytest.fixture(scope="session")
def shortest_piece(recordings: Path) -> Piece:
    """The shortest piece of split `gate`, and its soundfont, fetched."""
    piece = min(pieces_of("gate"), key=lambda each: each.seconds)
    fetch([piece, *soundfont_of("gate").files], recordings)
    return piece


def beginning(path: Path, seconds: float) -> Path:
    """Cut a piece short."""
    piece = mido.MidiFile(path, clip=True)
    last = round(seconds * 2 * piece.ticks_per_beat)
    for track in piece.tracks:
        ticks, kept = 0, []
        for message in track:
            ticks += message.time
            if ticks <= last:
                kept.append(message)
            elif message.type != "note_on" or not message.velocity:
                kept.append(message.copy(time=0))
        track[:] = kept
    piece.save(path)
    return path


def notes(content: bytes) -> list[tuple[float, int, int]]:
    """When each note begins, on which channel, and its pitch."""
    now, found = 0.0, []
    for message in mido.MidiFile(file=io.BytesIO(content)):
        now += message.time
        if message.type == "note_on" and message.velocity:
            found.append((round(now, 3), message.channel, message.note))
    return sorted(found)


def test_a_piece_and_a_soundfont_belong_to_a_split() -> None:
    names = [piece.name for piece in all_pieces()]
    assert len(set(names)) == len(names)
    assert all(len(pieces_of(split)) >= 8 for split in SPLITS)
    fonts = {split: soundfont_of(split).package for split in SPLITS}
    assert len({fonts["seed"], fonts["pool"], fonts["gate"]}) == 3
    assert {each.package for each in (*all_pieces(), *soundfonts().values())} <= set(packages())
    assert len(instruments()) == 128
    with pytest.raises(UserError, match="no split 'train'"):
        pieces_of("train")


def test_the_parts_of_a_piece_are_the_piece(recordings: Path, shortest_piece: Piece) -> None:
    path = file_path(shortest_piece, recordings)
    parts = by_instrument(path)
    assert len(parts) >= 3
    whole = notes(path.read_bytes())
    assert sorted(note for part in parts.values() for note in notes(part)) == whole
    assert all(notes(part) for part in parts.values())
    drums = {note for note in whole if note[1] == 9}
    assert set(notes(parts["drum kit"])) == drums


def test_what_is_trained_on_is_told_by_clips_and_instruments(recordings: Path, shortest_piece: Piece) -> None:
    labels = labels_to_train_on("gate", recordings)
    assert {"helicopter", "a woman speaking"} <= labels
    assert labels >= set(by_instrument(file_path(shortest_piece, recordings)))
    clips = [clip.label for clip in clips_of("gate")]
    held_out = set(clips) - labels
    assert held_out
    assert all(clips.count(label) < 4 for label in held_out)  # one clip in twelve


def test_a_note_that_is_never_let_go_ends_with_the_piece(
    recordings: Path, shortest_piece: Piece, tmp_path: Path
) -> None:
    piece = mido.MidiFile(type=1)
    piece.tracks.append(mido.MidiTrack([mido.Message("note_on", note=60, velocity=90, time=480)]))
    path = tmp_path / "hanging.mid"
    piece.save(path)
    (part,) = by_instrument(path).values()
    sound = render(part, soundfont_of("gate"), recordings)
    assert len(sound) / RENDER_RATE < 20
    assert np.abs(sound).max() > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("split", ["gate", "pool"])
def test_a_rendering_is_the_same_each_time(
    split: str, recordings: Path, tmp_path: Path, shortest_piece: Piece
) -> None:
    """With either synthesiser; and parts that are rendered alone add up to the whole."""
    soundfont = soundfont_of(split)
    fetch(soundfont.files, recordings)
    path = Path(shutil.copy(file_path(shortest_piece, recordings), tmp_path / "piece.mid"))
    parts = by_instrument(beginning(path, 10))
    first = {name: render(midi, soundfont, recordings) for name, midi in parts.items()}
    for name, midi in parts.items():
        np.testing.assert_array_equal(first[name], render(midi, soundfont, recordings))
        assert first[name].dtype == np.float32
        assert 2 < len(first[name]) / RENDER_RATE < 30
    whole = render(path.read_bytes(), soundfont, recordings)
    shortest = min(map(len, [whole, *first.values()]))
    total = np.sum([stem[:shortest] for stem in first.values()], axis=0)
    assert np.square(total - whole[:shortest]).sum() < 1e-3 * np.square(whole[:shortest]).sum()


def test_a_missing_synthesiser_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="apt-get install fluidsynth"):
        check_synthesiser(soundfont_of("seed"))
    with pytest.raises(UserError, match="apt-get install timidity"):
        check_synthesiser(soundfont_of("pool"))


@pytest.mark.slow
def test_labelled_data_of_a_split(recordings: Path, tmp_path: Path) -> None:
    make = {"splits": ["gate"], "pieces": 1, "recordings": recordings, "workers": 1}
    (split,) = make_labelled(tmp_path / "labelled", **make)
    clips, held_out = (list(csv.DictReader(path.open(newline=""))) for path in (split.clips, split.held_out))
    assert len({row["uri"] for row in (*clips, *held_out)}) == len(clips_of("gate"))
    assert len(held_out) / len(clips_of("gate")) == pytest.approx(1 / 12, abs=0.03)
    assert all((split.clips.parent / row["uri"]).exists() and row["label"] for row in (*clips, *held_out))
    with split.stems.open(newline="") as file:
        stems = list(csv.DictReader(file))
    paths = [split.stems.parent / row["uri"] for row in stems]
    assert len({probe(str(path)).frames for path in paths}) == 1
    assert {path.stem for path in paths} == {row["label"] for row in stems}
    assert {row["licence"] for row in stems} <= {"GPL-2", "Artistic-1.0 AND GPL-2"}
    seconds = probe(str(paths[0])).duration
    mixture = np.sum([read_window(str(path), 0, seconds, RENDER_RATE) for path in paths], axis=0)
    assert 0.5 < np.abs(mixture).max() <= 0.9
    before = {path: path.stat().st_mtime_ns for path in paths}
    make_labelled(tmp_path / "labelled", **make)
    assert {path: path.stat().st_mtime_ns for path in paths} == before
