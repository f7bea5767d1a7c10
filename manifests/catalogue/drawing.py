"""Which clips sound together in a scene: drawn by label, never two that could be taken for each other."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from manifests.catalogue.recordings import Clip, clips_of

SPEECH_SOUND = "speech_sound"
SPEECH_MUSIC = "speech_music"
SOUND_SOUND = "sound_sound"
MUSIC_SOUND = "music_sound"
REAL_MIXTURE = "real_mixture"

SCENE_TYPES = (
    SPEECH_SOUND,
    SOUND_SOUND,
    SPEECH_MUSIC,
    MUSIC_SOUND,
    SPEECH_SOUND,
    SPEECH_MUSIC,
    SOUND_SOUND,
    SPEECH_SOUND,
    MUSIC_SOUND,
    REAL_MIXTURE,
)
"""The types of ten consecutive scenes. Music is music or a single instrument. A type names the first two
sources; a further source, if there is one, is a sound."""

_FURTHER_SOURCE = 0.25
"""Chance of a third source, and then of a fourth."""
_VOICE_SECONDS = (4.0, 8.0)
_SHORT_SECONDS = 1.5
_REPEATED_SECONDS = (1.5, 4.0)
_MAX_REPEATS = 8
_REAL_SECONDS = 10.0
_VOICES = {"voice", "laughing", "screaming", "coughing", "sneezing", "crying", "beatboxing", "oooh", "party"}


def cast(split: str, kind: str, draw: random.Random) -> list[list[Clip]]:
    """The clips of each source of a scene: two to four sources, each of one clip, several utterances of
    one speaker, or a short sound that comes several times."""
    first, second = kind.split("_")
    sources = [_source(split, first, [], draw)]
    sources.append(_source(split, second, [sources[0][0]], draw))
    while len(sources) < 4 and draw.random() < _FURTHER_SOURCE:
        sources.append(_source(split, "sound", [source[0] for source in sources], draw))
    return sources


def real_recording(split: str, draw: random.Random) -> Clip:
    """A recording that is a mixture by itself: a piece of music of ten seconds or more."""
    pieces = [clip for clip in clips_of(split) if clip.category == "music" and clip.seconds >= _REAL_SECONDS]
    return draw.choice([clip for clip in pieces if not has_voice(clip)])


def has_voice(clip: Clip) -> bool:
    """Whether a person is heard: speech, laughter, song."""
    return clip.category == "speech" or bool(_words(clip.label) & _VOICES)


def could_be_mistaken(one: Clip, other: Clip) -> bool:
    """Whether a prompt for one of the clips could mean the other: a shared word, or two human voices."""
    return bool(_words(one.label) & _words(other.label)) or (has_voice(one) and has_voice(other))


def _source(split: str, kind: str, others: list[Clip], draw: random.Random) -> list[Clip]:
    if kind == "speech":
        return _utterances(split, draw)
    categories = ("music", "instrument") if kind == "music" else (kind,)
    fitting = [
        clip
        for clip in clips_of(split)
        if clip.category in categories and not any(could_be_mistaken(clip, other) for other in others)
    ]
    clip = draw.choice(_group(fitting, lambda clip: clip.label, draw))
    if clip.seconds >= _SHORT_SECONDS:
        return [clip]
    repeats = round(draw.uniform(*_REPEATED_SECONDS) / clip.seconds)
    return [clip] * max(1, min(repeats, _MAX_REPEATS))


def _utterances(split: str, draw: random.Random) -> list[Clip]:
    """Utterances of one speaker that fill some seconds; women and men come equally often."""
    speech = [clip for clip in clips_of(split) if clip.category == "speech"]
    gender = _group(speech, lambda clip: clip.label, draw)
    speaker = _group(gender, lambda clip: clip.speaker, draw)
    seconds = draw.uniform(*_VOICE_SECONDS)
    chosen: list[Clip] = []
    while sum(clip.seconds for clip in chosen) < seconds:
        chosen.append(draw.choice(speaker))
    return chosen


def _group(clips: Sequence[Clip], key: Callable[[Clip], str], draw: random.Random) -> list[Clip]:
    """The clips that share one value of `key`; every value is equally likely."""
    value = draw.choice(sorted({key(clip) for clip in clips}))
    return [clip for clip in clips if key(clip) == value]


def _words(label: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", label))
