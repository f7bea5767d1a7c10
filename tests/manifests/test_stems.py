from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from media_files import sound

from manifests.media import MediaError, decode_flac, encode_flac, encode_stems

RATE = 16000


@st.composite
def stems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A target and a residual of any level, and a mixture that is their sum to float32 rounding."""
    length = draw(st.integers(1, 2000))
    level = draw(st.sampled_from([1e-7, 0.1, 1.0, 50.0]))
    values = st.floats(-1.0, 1.0, width=32)
    parts = draw(arrays.arrays(np.float32, (2, length), elements=values)) * np.float32(level)
    return parts[0] + parts[1], parts[0], parts[1]


@given(stems())
def test_decoded_stems_sum_up_exactly_and_none_clips(given_stems: tuple[np.ndarray, ...]) -> None:
    mixture, target, residual = given_stems
    encoded = encode_stems(mixture, target, residual, sample_rate=RATE)
    decoded = [np.round(decode_flac(data)[0].astype(np.float64) * 2**23) for _, data in encoded.members()]
    assert np.array_equal(decoded[0], decoded[1] + decoded[2])
    assert all(np.abs(stem).max() < 2**23 - 1 for stem in decoded)
    for stem, original in zip(decoded, given_stems, strict=True):
        steps = np.abs(stem - original.astype(np.float64) * encoded.gain * 2**23)
        assert steps.max() <= 1.5 + 1e-6 * 2**23 * encoded.gain * np.abs(mixture).max()


@given(stems())
def test_the_gain_is_one_unless_something_would_clip(given_stems: tuple[np.ndarray, ...]) -> None:
    peak = max(float(np.abs(stem).max()) for stem in given_stems)
    gain = encode_stems(*given_stems, sample_rate=RATE).gain
    if peak < 0.999:
        assert gain == 1.0
    else:
        assert gain * peak == pytest.approx(1.0, abs=1e-3)


def test_members_are_named_as_a_sample_in_a_shard() -> None:
    mixture = sound(1, RATE)[:, 0]
    encoded = encode_stems(mixture, mixture / 2, mixture - mixture / 2, sample_rate=RATE)
    assert [name for name, _ in encoded.members()] == ["mix.flac", "target.flac", "residual.flac"]
    assert [name for name, _ in encode_stems(mixture, sample_rate=RATE).members()] == ["mix.flac"]


def test_a_stem_is_24_bit_mono_flac() -> None:
    waveform = sound(1, RATE)[:, 0]
    with soundfile.SoundFile(io.BytesIO(encode_flac(waveform, RATE))) as file:
        assert (file.format, file.subtype, file.channels, file.samplerate) == ("FLAC", "PCM_24", 1, RATE)
    decoded, rate = decode_flac(encode_flac(waveform, RATE))
    assert rate == RATE
    np.testing.assert_allclose(decoded, waveform, atol=2.0**-24)


def test_full_scale_survives() -> None:
    waveform = np.array([1.0, -1.0, 0.0], np.float32)
    np.testing.assert_allclose(decode_flac(encode_flac(waveform, RATE))[0], waveform, atol=2.0**-23)


def test_a_sum_that_cannot_be_promised_is_refused() -> None:
    mixture = sound(1, RATE)[:, 0]
    target = mixture * 0.7
    with pytest.raises(ValueError, match="−100 dBFS"):
        encode_stems(mixture, target, mixture - target + 1e-4, sample_rate=RATE)
    with pytest.raises(ValueError, match="samples"):
        encode_stems(mixture, target, mixture[:-1], sample_rate=RATE)
    with pytest.raises(ValueError, match="NaN"):
        encode_stems(mixture, target * np.nan, mixture, sample_rate=RATE)
    with pytest.raises(ValueError, match="empty"):
        encode_stems(mixture[:0], sample_rate=RATE)
    with pytest.raises(ValueError, match="peaks"):
        encode_flac(mixture * 10, RATE)


def test_bytes_that_are_no_flac_are_bad_media() -> None:
    with pytest.raises(MediaError):
        decode_flac(b"fLaC" + bytes(100))
