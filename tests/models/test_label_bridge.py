"""The text–audio scorer on the demo catalogue: matched against mismatched captions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

RATE = 16_000


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a positive lies above a negative; ties count half."""
    higher = (positive[:, None] > negative).mean()
    return float(higher + 0.5 * (positive[:, None] == negative).mean())


@pytest.fixture(scope="module")
def scorer(models):
    return models.load("text_audio_scorer")


@pytest.fixture(scope="module")
def catalogue(recordings):
    """Clips of split calibrate with their captions: every label, and as much speech."""
    kinds = ("sound", "instrument", "music")
    sounds = [each for kind in kinds for each in recordings("calibrate", category=kind)]
    speech = recordings("calibrate", category="speech", min_seconds=1.0, count=20)
    return [(each.clip.label, each) for each in sounds] + [("speech", each) for each in speech]


def pairs(scorer, captioned):
    """Scores of every caption with every clip, [captions, clips], and whether they belong together."""
    captions = [caption for caption, _ in captioned]
    waveforms = [each.waveform for _, each in captioned]
    scores = scorer.score(np.repeat(captions, len(waveforms)).tolist(), waveforms * len(captions), RATE)
    matrix = np.array([score.clip for score in scores]).reshape(len(captions), -1)
    return matrix, np.array([[one == other for other in captions] for one in captions])


def test_matched_captions_score_above_mismatched_ones(scorer, catalogue):
    scores, matched = pairs(scorer, catalogue)
    assert auc(scores[matched], scores[~matched]) >= 0.95


def test_among_sounds_and_music_alone_it_is_less_sure(scorer, catalogue):
    """All labels count, also those that AudioSet has no class for ("alien creak", "pickaxe hitting rock")."""
    scores, matched = pairs(scorer, [pair for pair in catalogue if pair[0] != "speech"])
    assert auc(scores[matched], scores[~matched]) >= 0.84


def test_captions_of_what_a_mixture_holds_beat_captions_of_what_it_does_not(scorer, catalogue):
    """All mixtures at 0 dB of two of seven clear sounds, all seven captions."""
    clear = {"banjo", "flute", "harp", "sheep", "rooster", "owl", "cymbal"}
    known = [(caption, each.waveform) for caption, each in catalogue if caption in clear]
    captions = [caption for caption, _ in known]
    scores: dict[bool, list[float]] = {True: [], False: []}
    for (one, first), (other, second) in combinations(known, 2):
        length = min(len(first), len(second))
        mixture = sum(each[:length] / each[:length].std() for each in (first, second)) * 0.05
        for caption, score in zip(captions, scorer.score(captions, [mixture] * 7, RATE), strict=True):
            scores[caption in (one, other)].append(score.clip)
    assert auc(np.array(scores[True]), np.array(scores[False])) >= 0.8


def test_frames_say_where_the_sound_is(scorer, recordings):
    (flute, *_), (sheep, *_) = recordings("calibrate", label="flute"), recordings("calibrate", label="sheep")
    start = np.zeros(6 * RATE, np.float32)
    start[: len(sheep.waveform)] = sheep.waveform
    track = np.concatenate([start, flute.waveform[: 4 * RATE]])
    (score,) = scorer.score(["flute"], [track], RATE)
    assert score.hop_seconds == 0.48
    assert len(score.frames) == 20
    assert score.frames[:11].max() < score.frames[13:].max() / 2


def test_scores_lie_between_0_and_1_and_silence_scores_low(scorer):
    silence = np.zeros(RATE, np.float32)
    scores = [each.clip for each in scorer.score(["speech", "dog", "qwerty"], [silence] * 3, RATE)]
    assert all(0 <= each < 0.15 for each in scores)
