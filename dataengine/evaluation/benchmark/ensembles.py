"""Pieces of music whose stems are known, a window at a time: what "instrument (pro)" asks of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dataengine.evaluation.true_scenes import TrueScene, TrueSource
from dataengine.models.sounding import SoundingRule
from manifests.media import probe, read_window
from manifests.progress import Progress

WINDOW_SECONDS = 10.0
LEAST_SECONDS = 2.0
"""A stem that sounds for less of a window is part of it and is not asked for."""
_RATE = 16_000
_SILENT_PEAK = 10 ** (-60 / 20)
"""A stem below it does not play in the window; its piece peaks at −1 dBFS."""
_SOUNDING = SoundingRule(relative_to="loudest_frame")


def ensembles(music: Path, windows: int) -> list[TrueScene]:
    """So many windows of each piece in a folder with a folder of stems each, the first of all before the second of any.

    Windows in which fewer than two stems sound are left out.
    """
    pieces = sorted(each for each in music.iterdir() if each.is_dir() and not each.name.startswith("."))
    scenes = []
    with Progress("Reading rendered music", total=windows * len(pieces), unit="windows") as progress:
        for turn in range(windows):
            for number, piece in enumerate(pieces):
                scene = _window(piece, turn, windows)
                if len(scene.sources) > 1:
                    scenes.append(scene)
                progress.update(turn * len(pieces) + number + 1)
    return scenes


def is_heard(source: TrueSource) -> bool:
    """Whether a source sounds long enough to be asked for."""
    return sum(end - start for start, end in source.spans) >= LEAST_SECONDS


def _window(piece: Path, turn: int, windows: int) -> TrueScene:
    """One of the windows that divide a piece evenly."""
    stems = sorted(piece.glob("*.flac"))
    last = max(0, math.floor(probe(str(stems[0])).duration - WINDOW_SECONDS))
    start = float(math.floor(last * (turn + 0.5) / windows))
    return TrueScene(
        name=f"{piece.name} at {start:g} s",
        type="ensemble",
        seconds=WINDOW_SECONDS,
        sources=tuple(_sources(stems, start)),
        clips=(piece.name,),
        start=start,
    )


def _sources(stems: Sequence[Path], start: float) -> Iterator[TrueSource]:
    """The stems that play."""
    for stem in stems:
        waveform = read_window(str(stem), start, WINDOW_SECONDS, _RATE)
        if np.abs(waveform).max() > _SILENT_PEAK:
            spans = tuple((float(begin), float(end)) for begin, end in _SOUNDING.seconds(waveform, _RATE))
            yield TrueSource(stem.stem, "instrument", spans, stem)
