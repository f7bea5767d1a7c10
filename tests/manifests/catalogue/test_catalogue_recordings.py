from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soxr

from dataengine.errors import UserError
from manifests.catalogue.audio import SCENE_RATE, load
from manifests.catalogue.recordings import CATEGORIES, SPLITS, Clip, all_clips, clips_of, packages


def test_no_file_is_in_two_splits() -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for clip in all_clips():
        splits[clip.sha256].add(clip.split)
        splits[clip.name].add(clip.split)
    assert all(len(each) == 1 for each in splits.values())


def test_a_speaker_is_in_one_split_but_for_the_woman_of_the_english_prompts() -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for clip in all_clips():
        if clip.speaker:
            splits[clip.speaker].add(clip.split)
    assert {speaker: each for speaker, each in splits.items() if len(each) > 1} == {
        "asterisk-Allison-en": {"gate", "final"}
    }


def test_every_clip_says_what_it_is_where_it_comes_from_and_under_which_licence() -> None:
    for clip in all_clips():
        assert clip.split in SPLITS
        assert clip.category in CATEGORIES
        assert clip.package in packages()
        assert clip.label
        assert clip.licence
        assert clip.seconds > 0
        assert bool(clip.speaker) == (clip.category == "speech")
        assert not clip.path.startswith("/")
        assert ".." not in clip.path.split("/")


def test_every_split_has_all_kinds_and_both_genders() -> None:
    for split in SPLITS:
        assert {clip.category for clip in clips_of(split)} == set(CATEGORIES)
        assert {"a man speaking", "a woman speaking"} <= {clip.label for clip in clips_of(split)}


def test_an_unknown_split_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="no split 'train'; the catalogue has seed, pool"):
        clips_of("train")


@pytest.mark.slow
def test_no_sound_is_in_two_splits_under_two_names(recordings: Path) -> None:
    """Cross-correlation of all sounds, whitened, up to 2 kHz: copies reach 0.9, other sounds stay below 0.5."""
    clips = [clip for clip in all_clips() if clip.split != "seed" and clip.category != "speech"]
    clips = [clip for clip in clips if clip.seconds > 0.5]
    spectra = np.stack([_unit_spectrum(clip, recordings) for clip in clips])
    for i, clip in enumerate(clips):
        others = [j for j in range(i) if clips[j].split != clip.split]
        if others:
            correlation = np.abs(np.fft.irfft(spectra[others] * spectra[i].conj())).max(axis=1)
            nearest = int(correlation.argmax())
            assert correlation[nearest] < 0.65, (clip.name, clips[others[nearest]].name)


def _unit_spectrum(clip: Clip, recordings: Path) -> np.ndarray:
    rate = 4000
    waveform = np.diff(soxr.resample(load(clip, recordings), SCENE_RATE, rate)[: 8 * rate])
    return np.fft.rfft(waveform / np.linalg.norm(waveform), 1 << (16 * rate).bit_length()).astype(
        np.complex64
    )
