"""Which clips sound together in a scene: drawn by label, never two that could be taken for each other."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

from manifests.catalogue.recordings import Clip, clips_of

SPEECH_SOUND = "speech_sound"
SPEECH_MUSIC = "speech_music"
SOUND_SOUND = "sound_sound"
MUSIC_SOUND = "music_sound"
REAL_MIXTURE = "real_mixture"
SPEECH_SPEECH = "speech_speech"
"""A woman and a man speak at once. No scene of the demo is of this type: two speakers are for benchmarks."""

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
_SHORT_SECONDS = 2.5
_REPEATED_SECONDS = (2.5, 5.0)
_MAX_REPEATS = 8
_REAL_SECONDS = 5.0
_GENDERS = ("a woman speaking", "a man speaking")
_VOICES = {"voice", "laughing", "screaming", "coughing", "sneezing", "crying", "beatboxing", "oooh", "party"}


class Labelled(Protocol):
    """Anything that sounds and has been given a name: a clip, a source of a scene."""

    @property
    def label(self) -> str:
        """What it is."""
        ...

    @property
    def category(self) -> str:
        """speech, sound, instrument or music."""
        ...


def draw_sources(split: str, kind: str, rng: random.Random) -> list[list[Clip]]:
    """The clips of each source of a scene: two to four sources, each of one clip, several utterances of
    one speaker, or a short sound that comes several times."""
    first, second = kind.split("_")
    if (first, second) == ("speech", "speech"):
        return _two_speakers(split, rng)
    sources = [_source(split, first, [], rng)]
    sources.append(_source(split, second, [sources[0][0]], rng))
    while len(sources) < 4 and rng.random() < _FURTHER_SOURCE:
        sources.append(_source(split, "sound", [source[0] for source in sources], rng))
    return sources


def draw_recording(split: str, rng: random.Random) -> Clip:
    """A recording that is a mixture by itself: a piece of music of five seconds or more."""
    pieces = [clip for clip in clips_of(split) if clip.category == "music" and clip.seconds >= _REAL_SECONDS]
    return rng.choice([clip for clip in pieces if not has_voice(clip)])


def has_voice(sound: Labelled) -> bool:
    """Whether a person is heard: speech, laughter, song."""
    return sound.category == "speech" or bool(_words(sound.label) & _VOICES)


def could_be_mistaken(one: Labelled, other: Labelled) -> bool:
    """Whether a prompt for one of the sounds could mean the other: a shared word, or two human voices."""
    return bool(_words(one.label) & _words(other.label)) or (has_voice(one) and has_voice(other))


def _source(split: str, kind: str, others: list[Clip], rng: random.Random) -> list[Clip]:
    if kind == "speech":
        return _utterances(split, rng)
    fitting = [
        clip
        for clip in _clips_of_kind(split, kind)
        if not any(could_be_mistaken(clip, other) for other in others)
    ]
    clip = rng.choice(_group(fitting, lambda clip: clip.label, rng))
    if clip.seconds >= _SHORT_SECONDS:
        return [clip]
    repeats = round(rng.uniform(*_REPEATED_SECONDS) / clip.seconds)
    return [clip] * max(1, min(repeats, _MAX_REPEATS))


def _utterances(split: str, rng: random.Random) -> list[Clip]:
    """Utterances of one speaker that fill some seconds; women and men come equally often."""
    return _of_one_speaker(_group(_clips_of_kind(split, "speech"), lambda clip: clip.label, rng), rng)


def _two_speakers(split: str, rng: random.Random) -> list[list[Clip]]:
    """Utterances of a woman and of a man, in either order: a prompt tells the two apart."""
    clips = _clips_of_kind(split, "speech")
    return [
        _of_one_speaker([clip for clip in clips if clip.label == label], rng)
        for label in rng.sample(_GENDERS, 2)
    ]


def _of_one_speaker(clips: Sequence[Clip], rng: random.Random) -> list[Clip]:
    speaker = _group(clips, lambda clip: clip.speaker, rng)
    seconds = rng.uniform(*_VOICE_SECONDS)
    chosen: list[Clip] = []
    for clip in rng.sample(speaker, len(speaker)):
        if sum(utterance.seconds for utterance in chosen) >= seconds:
            break
        chosen.append(clip)
    return chosen


@cache
def _clips_of_kind(split: str, kind: str) -> tuple[Clip, ...]:
    categories = ("music", "instrument") if kind == "music" else (kind,)
    return tuple(clip for clip in clips_of(split) if clip.category in categories)


def _group(clips: Sequence[Clip], key: Callable[[Clip], str], rng: random.Random) -> list[Clip]:
    """The clips that share one value of `key`; every value is equally likely."""
    value = rng.choice(sorted({key(clip) for clip in clips}))
    return [clip for clip in clips if key(clip) == value]


@cache
def _words(label: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", label))
