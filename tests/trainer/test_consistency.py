"""Stems that add up to the mixture."""

from __future__ import annotations

import pytest
import torch

from trainer.codec import MdctCodec, MdctConfig
from trainer.consistency import consistent


@pytest.fixture
def codec() -> MdctCodec:
    return MdctCodec(MdctConfig(bins=64))


def test_stems_add_up_to_the_mixture_whatever_was_estimated(codec):
    waveform = 0.1 * torch.randn(2, 4_000)
    mixture = codec.encode(waveform)
    target, residual = consistent(codec, torch.randn_like(mixture), torch.randn_like(mixture), mixture)
    added = codec.decode(target, 4_000) + codec.decode(residual, 4_000)
    assert (added - waveform).abs().max() < 1e-6


def test_stems_that_add_up_are_left_alone(codec):
    voice, rest = 0.1 * torch.randn(2, 1, 4_000)
    estimates = codec.encode(voice), codec.encode(rest)
    for estimate, result in zip(
        estimates, consistent(codec, *estimates, codec.encode(voice + rest)), strict=True
    ):
        torch.testing.assert_close(result, estimate, atol=1e-3, rtol=1e-3)


def test_a_silent_stem_stays_silent(codec):
    mixture = codec.encode(0.1 * torch.randn(1, 4_000))
    target, residual = consistent(codec, torch.zeros_like(mixture), 0.7 * mixture, mixture)
    assert target.abs().max() < 1e-6
    torch.testing.assert_close(residual, mixture)


def test_what_is_missing_goes_to_the_stronger_stem(codec):
    mixture = codec.latents(torch.ones(1, 1, 64))
    strong, weak = codec.latents(0.6 * torch.ones(1, 1, 64)), codec.latents(0.2 * torch.ones(1, 1, 64))
    target, residual = (codec.coefficients(each) for each in consistent(codec, strong, weak, mixture))
    torch.testing.assert_close(target, torch.full_like(target, 0.6 + 0.9 * 0.2))
    torch.testing.assert_close(residual, torch.full_like(residual, 0.2 + 0.1 * 0.2))


def test_two_silent_stems_share_what_is_missing(codec):
    mixture = codec.latents(torch.ones(1, 1, 64))
    stems = consistent(codec, torch.zeros_like(mixture), torch.zeros_like(mixture), mixture)
    for stem in stems:
        torch.testing.assert_close(codec.coefficients(stem), torch.full_like(mixture, 0.5))
