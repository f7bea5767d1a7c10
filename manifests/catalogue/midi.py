"""A piece of music, taken apart: a MIDI file for each instrument that plays in it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from manifests.catalogue.music import DRUM_KIT, instruments

SUSTAIN, ALL_NOTES_OFF = 64, 123
"""Controllers of the MIDI standard."""
DRUM_CHANNEL = 9
"""Channel 10, counted from 0, plays drums whatever its program (General MIDI)."""


def by_instrument(path: Path) -> dict[str, bytes]:
    """The piece once for each of its instruments, with that instrument's notes alone, by name.

    A channel may change its instrument, and several may play the same one. All else stays in each file: tempo,
    volume, pedals. So the parts keep time, and together they are the piece.
    """
    import mido

    piece = mido.MidiFile(path, clip=True)
    played = _instruments_played(piece)
    return {name: _only(piece, played, name) for name in _names(played)}


def instruments_of(path: Path) -> list[str]:
    """The instruments that play in a piece."""
    import mido

    return _names(_instruments_played(mido.MidiFile(path, clip=True)))


def _names(played: list[dict[int, str]]) -> list[str]:
    return sorted({name for track in played for name in track.values()})


def _instruments_played(piece: Any) -> list[dict[int, str]]:
    """For each track, position of a note that begins → the instrument that plays it."""
    played: list[dict[int, str]] = [{} for _ in piece.tracks]
    programs = [0] * 16
    for _, track, position, message in _in_time(piece):
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "note_on" and message.velocity > 0:
            drums = message.channel == DRUM_CHANNEL
            played[track][position] = DRUM_KIT if drums else instruments()[programs[message.channel]]
    return played


def _in_time(piece: Any) -> list[tuple[int, int, int, Any]]:
    """Time in ticks, track, position in it and message, as a player meets them."""
    messages = []
    for number, track in enumerate(piece.tracks):
        ticks = 0
        for position, message in enumerate(track):
            ticks += message.time
            messages.append((ticks, number, position, message))
    return sorted(messages, key=lambda each: each[:3])


def _only(piece: Any, played: list[dict[int, str]], instrument: str) -> bytes:
    """The piece without the notes of other instruments; the ends of notes that never began do no harm."""
    import mido

    part = mido.MidiFile(type=piece.type, ticks_per_beat=piece.ticks_per_beat)
    for track, instruments_of in zip(piece.tracks, played, strict=True):
        kept, waiting = mido.MidiTrack(), 0
        for position, message in enumerate(track):
            waiting += message.time
            if instruments_of.get(position, instrument) == instrument:
                kept.append(message.copy(time=waiting))
                waiting = 0
        part.tracks.append(kept)
    part.tracks.append(_all_notes_end(max(ticks for ticks, *_ in _in_time(piece))))
    content = io.BytesIO()
    part.save(file=content)
    return content.getvalue()


def _all_notes_end(ticks: int) -> Any:
    """A track that ends what still sounds at this time: a note that is never let go would be played for ever."""
    import mido

    ends = [
        mido.Message("control_change", channel=channel, control=control, value=0)
        for channel in range(16)
        for control in (SUSTAIN, ALL_NOTES_OFF)
    ]
    return mido.MidiTrack([ends[0].copy(time=ticks), *ends[1:]])
