"""Training samples of real sounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trainer.data.drawing import Draw
from trainer.data.mixing import OCTAVES_HZ, sounding_level
from trainer.data.pools import Item
from trainer.data.rendering import render

RATE = 16_000
DOG, PIANO, VOICE, TRIPLET = (Item("s.tar", key, key, ()) for key in ("dog", "piano", "voice", "triplet"))
EVEN = (0.0,) * len(OCTAVES_HZ)

DRAW = Draw(
    position=0,
    strategy="synthetic",
    text="dog",
    target=DOG,
    others=(PIANO, VOICE),
    snr_db=-7.0,
    others_snr_db=(3.0,),
    speeds=(1.0, 1.0, 1.0),
    filled=(False, False, False),
    colours=(EVEN, EVEN, EVEN),
    seconds=3.0,
    level_dbfs=-22.0,
    dropped=(False, True, False, False),
    time=0.3,
    layout_seed=5,
    noise_seed=6,
)


@pytest.fixture(scope="module")
def read(real_sound):
    dog, piano, voice = (
        real_sound("sound", "owl", 1.0).numpy(),
        real_sound("instrument", "banjo", 4.0).numpy(),
        real_sound("speech", None, 6.0).numpy(),
    )
    stems = {"target.flac": voice[: 4 * RATE], "residual.flac": piano, "mix.flac": voice[: 4 * RATE] + piano}
    sounds = {("dog", "target.flac"): dog, ("piano", "target.flac"): piano, ("voice", "target.flac"): voice}
    sounds |= {("triplet", member): stem for member, stem in stems.items()}
    return lambda item, member: sounds[item.key, member]


def level(waveform: np.ndarray) -> float:
    return 20 * np.log10(np.sqrt(np.mean(waveform.astype(np.float64) ** 2)))


def test_recordings_are_mixed_as_drawn(read):
    sample = render(DRAW, read, RATE)
    assert len(sample.mixture) == len(sample.target) == len(sample.residual) == 3 * RATE
    np.testing.assert_allclose(sample.target + sample.residual, sample.mixture, atol=1e-6)
    assert sounding_level(sample.mixture, RATE) == pytest.approx(-22, abs=0.05)
    snr = sounding_level(sample.target, RATE) - sounding_level(sample.residual, RATE)
    assert snr == pytest.approx(-7, abs=0.1)
    assert (sample.text, sample.dropped, sample.time, sample.noise_seed) == ("dog", DRAW.dropped, 0.3, 6)


def test_the_same_draw_gives_the_same_sample_to_the_bit(read):
    first, again = render(DRAW, read, RATE), render(DRAW, read, RATE)
    for name in ("mixture", "target", "residual"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.spans == again.spans
    other = render(replace(DRAW, layout_seed=6), read, RATE)
    assert np.abs(other.mixture - first.mixture).max() > 1e-3


def test_a_prompt_for_what_is_not_there_has_a_silent_target(read):
    sample = render(replace(DRAW, strategy="absent", target=None, snr_db=None), read, RATE)
    assert not sample.target.any()
    assert not sample.spans.present
    np.testing.assert_array_equal(sample.mixture, sample.residual)
    assert sounding_level(sample.mixture, RATE) == pytest.approx(-22, abs=0.05)


def test_a_real_triplet_keeps_its_balance_unless_it_is_remixed(read):
    draw = replace(
        DRAW, strategy="real", target=TRIPLET, text="voice", others=(), others_snr_db=(), snr_db=None
    )
    direct = render(draw, read, RATE)
    remixed = render(replace(draw, strategy="remixed", snr_db=5.0), read, RATE)
    np.testing.assert_allclose(direct.target + direct.residual, direct.mixture, atol=1e-6)
    np.testing.assert_allclose(remixed.target + remixed.residual, remixed.mixture, atol=1e-6)
    stored = np.lib.stride_tricks.sliding_window_view(read(TRIPLET, "mix.flac"), len(direct.mixture))
    gains = stored @ direct.mixture / np.square(direct.mixture).sum()
    best = int(
        np.argmin([level(crop - gain * direct.mixture) for crop, gain in zip(stored, gains, strict=True)])
    )
    assert level(stored[best] - gains[best] * direct.mixture) < -100  # a crop of what is stored, levelled
    assert sounding_level(remixed.target, RATE) - sounding_level(remixed.residual, RATE) == pytest.approx(
        5, abs=0.1
    )


def test_nothing_is_mixed_beyond_the_band_of_the_narrowest_recording(read):
    narrow = replace(VOICE, band_hz=3_000.0)
    sample = render(replace(DRAW, others=(PIANO, narrow)), read, RATE)
    for waveform in (sample.target, sample.residual):
        power = np.abs(np.fft.rfft(waveform)) ** 2
        beyond = power[round(3_100 * len(waveform) / RATE) :].sum() / power.sum()
        assert beyond < 1e-5


def test_a_recording_played_faster_is_higher_and_shorter(read):
    time = np.arange(RATE) / RATE
    tone, noise = np.sin(2 * np.pi * 440 * time), np.random.default_rng(0).normal(size=RATE)
    sounds = {"dog": tone.astype(np.float32), "piano": 1e-3 * noise.astype(np.float32)}
    for speed in (0.9, 1.1):
        draw = replace(
            DRAW,
            others=(PIANO,),
            others_snr_db=(),
            speeds=(speed, 1.0),
            filled=(False, False),
            colours=(EVEN, EVEN),
            seconds=1.2,
            snr_db=40.0,
        )
        target = render(draw, lambda item, member: sounds[item.key], RATE).target
        spectrum = np.abs(np.fft.rfft(target))
        assert spectrum.argmax() / 1.2 == pytest.approx(440 * speed, abs=2)


def test_a_coloured_recording_has_the_levels_of_its_octaves_changed_and_no_other(read):
    even = render(replace(DRAW, snr_db=40.0), read, RATE).target
    without_highs = (*EVEN[:-2], -24.0, -24.0)
    dull = render(replace(DRAW, snr_db=40.0, colours=(without_highs, EVEN, EVEN)), read, RATE).target

    def share_of_highs(waveform: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(waveform)) ** 2
        return power[len(power) // 2 :].sum() / power.sum()

    assert share_of_highs(dull) < 0.02 * share_of_highs(even)


def test_spans_lie_where_the_target_sounds(read):
    for seed in range(20):
        sample = render(replace(DRAW, layout_seed=seed, snr_db=10.0), read, RATE)
        for start, end in sample.spans.present:
            inside = sample.target[round(start * RATE) : round(end * RATE)]
            assert level(inside) > -45
        for start, end in sample.spans.absent:
            inside = sample.target[round(start * RATE) : round(end * RATE)]
            assert level(inside + 1e-9) < level(sample.target)
