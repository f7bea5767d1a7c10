"""The other enhancer: the published network, and what it gains on real mixtures."""

from __future__ import annotations

import numpy as np
import pytest
from test_dtln import RATE, gains, si_sdr

from dataengine.models.adapter import Runtime
from dataengine.models.nsnet2 import FRAME, HOP, NsNet2Adapter
from dataengine.models.onnx_session import open_session
from dataengine.models.registry import find_adapter


@pytest.fixture(scope="module")
def enhancer():
    adapter = find_adapter("nsnet2").model_validate({})
    assert isinstance(adapter, NsNet2Adapter)
    return adapter.load(adapter.card("nsnet2", {}), Runtime(), {})


@pytest.fixture(scope="module")
def enhanced(enhancer, speech_in_sounds):
    heard = enhancer.enhance([mixture for _, mixture in speech_in_sounds], RATE)
    return [(*pair, each) for pair, each in zip(speech_in_sounds, heard, strict=True)]


def test_forwards_it_is_the_published_network(enhancer, speech_in_sounds):
    from dataengine.models.nsnet2 import WEIGHTS

    _, mixture = speech_in_sounds[0]
    (heard,) = enhancer.enhance([mixture], RATE)
    session = open_session(WEIGHTS.paths()[0], Runtime())
    window = np.sqrt(np.hanning(FRAME))
    padded = np.concatenate([np.zeros(HOP), mixture, np.zeros(2 * HOP)])
    starts = range(0, len(padded) - FRAME + 1, HOP)
    spectra = np.stack([np.fft.rfft(padded[start : start + FRAME] * window) for start in starts])
    features = np.log10(np.maximum(np.abs(spectra) ** 2, 1e-12))[None].astype(np.float32)
    gain = np.clip(session.run(None, {"input": features})[0][0], 1e-4, 1)
    speech = np.zeros(len(padded))
    for start, spectrum in zip(starts, spectra * gain, strict=True):
        speech[start : start + FRAME] += np.fft.irfft(spectrum, FRAME) * window
    assert (
        si_sdr(heard.speech + heard.doubt, speech[HOP : HOP + len(mixture)]) > 35
    )  # their window is symmetric


def test_speech_comes_out_cleaner_and_so_does_the_rest(enhanced):
    speech, rest = gains(enhanced).mean(axis=0)
    assert speech > 3
    assert rest > 3


def test_doubt_is_larger_where_the_speech_is_wrong(enhanced):
    wrong = [np.sum((heard.speech - voice) ** 2) for voice, _, heard in enhanced]
    doubt = [np.sum(heard.doubt**2) for _, _, heard in enhanced]
    assert np.corrcoef(np.log(wrong), np.log(doubt))[0, 1] > 0.5


@pytest.mark.parametrize("length", [0, 1, 159, 321])
def test_short_waveforms_keep_their_length(enhancer, length):
    (heard,) = enhancer.enhance([np.full(length, 0.1, np.float32)], RATE)
    assert heard.speech.shape == heard.doubt.shape == (length,)
    assert np.isfinite(heard.speech).all()
