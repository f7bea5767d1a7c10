"""The training-free codec: nothing is lost, at any length, and the latents are what the formula says."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.codec import LinearCodec, MdctCodec, MdctConfig

LOST_DB = -100.0
"""What may be lost at most: the issue's bound. Rounding to float32 loses about −133 dB."""


def lost_db(original: torch.Tensor, decoded: torch.Tensor) -> float:
    return 10 * math.log10(float((decoded - original).square().sum() / original.square().sum()) + 1e-30)


@pytest.mark.parametrize("category", ["speech", "sound", "instrument", "music"])
@pytest.mark.parametrize("gain", [1e-3, 1.0, 10.0])
def test_nothing_is_lost_of_real_recordings(real_sound, category, gain):
    codec, sound = MdctCodec(), gain * real_sound(category)[None]
    assert lost_db(sound, codec.decode(codec.encode(sound), sound.shape[-1])) < LOST_DB


@given(
    samples=st.integers(1, 5_000),
    bins=st.sampled_from([8, 64, 512]),
    power=st.sampled_from([0.5, 0.75, 1.0]),
    seed=st.integers(0, 2**31),
)
def test_nothing_is_lost_of_noise_at_any_length(samples, bins, power, seed):
    codec = MdctCodec(MdctConfig(bins=bins, power=power))
    noise = 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(seed)) + 1e-3
    latents = codec.encode(noise)
    assert latents.shape == (2, codec.layout.frames(samples), codec.layout.channels)
    assert lost_db(noise, codec.decode(latents, samples)) < LOST_DB


def test_silence_stays_silence():
    codec = MdctCodec()
    latents = codec.encode(torch.zeros(1, 2_000))
    assert not latents.any()
    assert not codec.decode(latents, 2_000).any()


def test_coefficients_are_those_of_the_formula():
    bins = 8
    codec = MdctCodec(MdctConfig(bins=bins, power=1.0, scale=1.0))
    waveform = torch.randn(1, 3 * bins)
    n, k = torch.arange(2 * bins).double()[:, None], torch.arange(bins).double()[None]
    window = torch.sin(math.pi / (2 * bins) * (n + 0.5))
    basis = math.sqrt(2 / bins) * window * torch.cos(math.pi / bins * (n + 0.5 + bins / 2) * (k + 0.5))
    padded = torch.nn.functional.pad(waveform, (bins, bins)).double()
    expected = padded.unfold(-1, 2 * bins, bins) @ basis
    torch.testing.assert_close(codec.encode(waveform), expected.float(), atol=1e-5, rtol=1e-5)


def test_the_transform_keeps_energy_and_adds_up(real_sound):
    codec = MdctCodec()
    voice, music = real_sound("speech")[None], real_sound("music")[None]
    first, second, both = (codec.coefficients(codec.encode(x)) for x in (voice, music, voice + music))
    torch.testing.assert_close(first + second, both, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(first.square().sum(), voice.square().sum(), rtol=1e-4, atol=0)
    assert isinstance(codec, LinearCodec)


@pytest.mark.parametrize("category", ["speech", "sound", "instrument", "music"])
def test_latents_are_about_as_strong_as_the_noise_the_flow_starts_from(real_sound, category):
    sound = real_sound(category) * 10 ** (3 / 20)  # −25 dBFS
    assert 0.8 < MdctCodec().encode(sound[None]).std() < 1.25


def test_a_frame_stands_for_the_time_of_its_centre():
    codec = MdctCodec()
    click = torch.zeros(1, 8_192)
    click[0, 5 * codec.layout.hop] = 1.0
    energy = codec.encode(click).square().sum(dim=-1)[0]
    frame = int(energy.argmax())
    assert codec.layout.centres(len(energy))[frame] == pytest.approx(
        5 * codec.layout.hop / codec.layout.sample_rate
    )


def test_padding_behind_a_sound_changes_none_of_its_frames():
    codec, sound = MdctCodec(), torch.randn(1, 3_000)
    alone = codec.encode(sound)
    padded = codec.encode(torch.nn.functional.pad(sound, (0, 9_000)))
    torch.testing.assert_close(padded[:, : alone.shape[1]], alone)
    assert not padded[:, alone.shape[1] :].any()


def test_half_precision_around_it_does_not_reach_it(real_sound):
    codec, sound = MdctCodec(), real_sound("speech")[None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        decoded = codec.decode(codec.encode(sound), sound.shape[-1])
    assert lost_db(sound, decoded) < LOST_DB
