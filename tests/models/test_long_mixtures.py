"""Long mixtures in windows, by a separator that could hear them whole."""

from __future__ import annotations

import numpy as np
import pytest

from dataengine.models.long_mixtures import InWindows
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Prompt

RATE = 16_000
WINDOW, OVERLAP = 4, 1
SPEECH = Prompt("woman speaking", speech=True)


@pytest.fixture(scope="module")
def separator(models):
    return models.load("separator")


@pytest.fixture(scope="module")
def long_mixture(speech_in_sounds):
    """9 s: three windows, the last one shorter."""
    return np.concatenate([mixture for _, mixture in speech_in_sounds[:3]])


def test_what_is_no_longer_than_a_window_is_heard_whole(separator, speech_in_sounds):
    mixture = speech_in_sounds[0][1]
    (alone,) = separator.separate([mixture], [SPEECH], RATE)
    (found,) = InWindows(separator, WINDOW, OVERLAP).separate([mixture], [SPEECH], RATE)
    np.testing.assert_array_equal(found.target, alone.target)
    assert found.expected_gain_db == alone.expected_gain_db


def test_windows_are_what_the_separator_hears_in_them_and_fade_into_each_other(separator, long_mixture):
    (found,) = InWindows(separator, WINDOW, OVERLAP).separate([long_mixture], [SPEECH], RATE)
    hop, length, overlap = ((WINDOW - OVERLAP) * RATE, WINDOW * RATE, OVERLAP * RATE)
    first, second = (
        separator.separate([long_mixture[start : start + length].copy()], [SPEECH], RATE)[0].target
        for start in (0, hop)
    )
    np.testing.assert_array_equal(found.target[:hop], first[:hop])
    rise = (np.arange(overlap) + 0.5) / overlap
    faded = (1 - rise) * first[hop:] + rise * second[:overlap]
    np.testing.assert_allclose(found.target[hop:length], faded, atol=1e-6)
    np.testing.assert_allclose(found.target + found.residual, long_mixture, atol=1e-6)
    assert found.expected_gain_db is None


def test_mixtures_of_all_lengths_in_one_call(separator, long_mixture):
    mixtures = [long_mixture[:samples] for samples in (0, 1, 9 * RATE, RATE)]
    found = InWindows(separator, WINDOW, OVERLAP).separate(mixtures, [SPEECH] * 4, RATE)
    assert [each.target.shape for each in found] == [each.shape for each in mixtures]


def test_spans_count_from_the_start_of_each_window(long_mixture):
    profile = Profile.load("embedded")
    models = {**profile.models, "separator": {"adapter": "trained"}}
    separator = ProfileModels(profile.model_copy(update={"models": models})).load("separator")
    prompt = Prompt("music", spans=((6.5, 8.0),))  # in the last two windows of three
    (found,) = InWindows(separator, WINDOW, OVERLAP).separate([long_mixture], [prompt], RATE)
    start = (WINDOW - OVERLAP) * RATE
    assert not found.target[:start].any()
    middle = long_mixture[start : start + WINDOW * RATE]
    (within,) = separator.separate([middle], [Prompt("music", spans=((3.5, 4.0),))], RATE)
    heard = slice(OVERLAP * RATE, start)  # where the middle window is heard alone
    np.testing.assert_allclose(found.target[start:][heard], within.target[heard], atol=1e-3)
    assert np.abs(within.target[heard]).max() > 1e-2
