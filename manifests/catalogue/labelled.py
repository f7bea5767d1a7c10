"""What a separator is trained from: a split's clips with their labels, and music with a stem an instrument.

    <directory>/<split>/clips.csv                         a row a clip: uri, label, category, speaker, licence
    <directory>/<split>/held_out.csv                      the same of one clip in twelve, which clips.csv lacks
    <directory>/<split>/music.csv                         a row a stem: uri, label, licence
    <directory>/<split>/music/<piece>/<instrument>.flac   16 bits, mono, 44.1 kHz; a piece is the sum of its stems

The clips stay where `fetch` put them. The tables are sources for `dataengine index`, and its metadata. What is
held out is for validating what was trained on the rest.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from manifests.catalogue.fetch import fetch, file_path
from manifests.catalogue.midi import by_instrument, instruments_of
from manifests.catalogue.music import Piece, instruments, licence_of, pieces_of, soundfont_of
from manifests.catalogue.recordings import Clip, clips_of
from manifests.catalogue.synthesis import RENDER_RATE, check_synthesiser, render
from manifests.identity import digest_of_ids, stable_hash
from manifests.lock import sole_writer
from manifests.media import Waveform, encode_flac
from manifests.progress import Progress

RENDERING_VERSION = "1"
"""Raised when the same piece sounds other than before."""

PEAK = 10 ** (-1 / 20)
"""Of a piece and of each of its stems, at most: −1 dBFS."""
FULL_SCALE = 2**15
"""Stems are whole steps of 16 bits, like the samples they are made of, so that their sum is exact."""
HELD_OUT_IN = 12
"""One clip in so many is held out; its content decides, so that copies of a sound stay together."""
SILENT_PEAK = 10 ** (-60 / 20)
"""A stem that stays under −60 dBFS is left out: its soundfont lacks the instrument, or it has nothing to play."""


@dataclass(frozen=True)
class LabelledSplit:
    """Where the labelled recordings of one split lie."""

    directory: Path
    split: str

    @property
    def clips(self) -> Path:
        """Table of the clips."""
        return self.directory / self.split / "clips.csv"

    @property
    def held_out(self) -> Path:
        """Table of the clips that training is validated on."""
        return self.directory / self.split / "held_out.csv"

    @property
    def stems(self) -> Path:
        """Table of the stems."""
        return self.directory / self.split / "music.csv"

    @property
    def music(self) -> Path:
        """A folder a piece."""
        return self.directory / self.split / "music"


def make_labelled(
    directory: Path,
    splits: Sequence[str],
    *,
    pieces: int | None = None,
    recordings: Path | None = None,
    workers: int | None = None,
) -> list[LabelledSplit]:
    """Fetch the clips of some splits, render their music, and write the tables; what is there is left alone.

    `pieces` renders only so many of a split's. Downloads go to `recordings`, by default a folder of that name
    beside `directory`. Raises UserError for an unknown split, where a package cannot be fetched, and where a
    synthesiser is missing.
    """
    folder = (recordings or directory.parent / "recordings").resolve()
    found = [LabelledSplit(directory, split) for split in splits]
    with sole_writer(directory):
        for split in found:
            chosen = pieces_of(split.split)[:pieces]
            soundfont = soundfont_of(split.split)
            check_synthesiser(soundfont)
            fetch([*clips_of(split.split), *chosen, *soundfont.files], folder)
            _write_clips(split, folder)
            _render_all(split, chosen, folder, workers or os.cpu_count() or 1)
            _write_stems(split, chosen)
    return found


def labels_to_train_on(split: str, recordings: Path) -> set[str]:
    """The labels of a split's clips, without those that are held out, and the instruments of its music.

    Fetches the music. Raises UserError for an unknown split, and where a package cannot be fetched.
    """
    pieces = pieces_of(split)
    fetch(pieces, recordings)
    played = {name for piece in pieces for name in instruments_of(file_path(piece, recordings))}
    return played | {clip.label for clip in clips_of(split) if not _is_held_out(clip)}


def _render_all(split: LabelledSplit, pieces: Sequence[Piece], recordings: Path, workers: int) -> None:
    """Render the pieces that are not there; a piece's folder appears when it is whole."""
    _forget_others(split)
    missing = [piece for piece in pieces if not (split.music / piece.name).exists()]
    if not missing:
        return
    make = partial(_render_piece, split, recordings)
    with (
        Progress(f"Rendering music of {split.split}", total=len(missing), unit="pieces") as progress,
        ProcessPoolExecutor(min(workers, len(missing)), mp_context=get_context("spawn")) as pool,
    ):
        for done, _ in enumerate(pool.map(make, missing), start=1):
            progress.update(done)


def _forget_others(split: LabelledSplit) -> None:
    """Remove music that was made in another way than it would be made now."""
    stamp = split.music / ".made_from"
    soundfont = digest_of_ids(file.sha256 for file in soundfont_of(split.split).files)
    made_from = stable_hash(RENDERING_VERSION, soundfont, *instruments())
    if stamp.exists() and stamp.read_text(encoding="utf-8") == made_from:
        return
    shutil.rmtree(split.music, ignore_errors=True)
    split.music.mkdir(parents=True)
    stamp.write_text(made_from, encoding="utf-8")


def _render_piece(split: LabelledSplit, recordings: Path, piece: Piece) -> None:
    soundfont = soundfont_of(piece.split)
    parts = by_instrument(file_path(piece, recordings))
    stems = _levelled({name: render(midi, soundfont, recordings) for name, midi in parts.items()})
    partial_folder = split.music / f".{piece.name}.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir()
    for name, stem in stems.items():
        (partial_folder / f"{name}.flac").write_bytes(encode_flac(stem, RENDER_RATE))
    partial_folder.rename(split.music / piece.name)


def _levelled(stems: dict[str, Waveform]) -> dict[str, Waveform]:
    """Stems of one length under one gain, in whole steps, without those that are silent."""
    length = max(map(len, stems.values()))
    padded = {name: np.pad(stem, (0, length - len(stem))) for name, stem in stems.items()}
    mixture = np.sum(list(padded.values()), axis=0)
    gain = PEAK / max(float(np.abs(each).max()) for each in [*padded.values(), mixture])
    steps = {name: np.rint(stem * np.float64(gain * FULL_SCALE)) for name, stem in padded.items()}
    return {
        name: (stem / FULL_SCALE).astype(np.float32)
        for name, stem in steps.items()
        if np.abs(stem).max() > SILENT_PEAK * FULL_SCALE
    }


def _write_clips(split: LabelledSplit, recordings: Path) -> None:
    split.clips.parent.mkdir(parents=True, exist_ok=True)
    beside = split.clips.parent.resolve()
    tables: dict[Path, list[tuple[str, ...]]] = {split.clips: [], split.held_out: []}
    for clip in clips_of(split.split):
        uri = os.path.relpath(file_path(clip, recordings), beside)
        row = (uri, clip.label, clip.category, clip.speaker, clip.licence)
        tables[split.held_out if _is_held_out(clip) else split.clips].append(row)
    for path, rows in tables.items():
        _write_table(path, ("uri", "label", "category", "speaker", "licence"), rows)


def _is_held_out(clip: Clip) -> bool:
    return int(clip.sha256[:8], 16) % HELD_OUT_IN == 0


def _write_stems(split: LabelledSplit, pieces: Sequence[Piece]) -> None:
    rows = (
        (f"music/{piece.name}/{stem.name}", stem.stem, licence_of(piece))
        for piece in pieces
        for stem in sorted((split.music / piece.name).glob("*.flac"))
    )
    _write_table(split.stems, ("uri", "label", "licence"), rows)


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
