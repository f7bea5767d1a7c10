import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.evaluation.metrics import LIMIT_DB, sdr, si_sdr

SAMPLES = 16_000
TIME = np.arange(SAMPLES) / SAMPLES
SINE, COSINE = (wave(2 * np.pi * 440 * TIME).astype(np.float32) for wave in (np.sin, np.cos))


@pytest.mark.parametrize("ratio_db", [-20.0, 0.0, 5.0, 30.0])
def test_noise_that_is_orthogonal_gives_its_level(ratio_db: float) -> None:
    noise = COSINE * np.float32(10 ** (-ratio_db / 20))
    assert si_sdr(SINE + noise, SINE) == pytest.approx(ratio_db, abs=0.01)


@given(st.floats(1e-3, 1e3), st.booleans(), st.floats(-1, 1), st.integers(0, 2**32 - 1))
def test_scale_sign_and_offset_of_the_estimate_do_not_count(
    scale: float, negative: bool, offset: float, seed: int
) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.3, SAMPLES).astype(np.float32)
    estimate = SINE + noise
    factor = np.float32(-scale if negative else scale)
    changed = factor * (estimate + np.float32(offset))
    assert si_sdr(changed, SINE) == pytest.approx(si_sdr(estimate, SINE), abs=0.01)


def test_the_ends_of_the_scale() -> None:
    silence = np.zeros(SAMPLES, np.float32)
    assert si_sdr(3 * SINE, SINE) == LIMIT_DB
    assert si_sdr(silence, SINE) == -LIMIT_DB
    assert si_sdr(COSINE, SINE) < -60
    assert np.isnan(si_sdr(SINE, silence))


def test_estimate_and_reference_must_be_of_one_length() -> None:
    for measure in (si_sdr, sdr):
        with pytest.raises(ValueError, match="100 samples"):
            measure(SINE[:100], SINE)


def test_sdr_takes_a_wrong_level_amiss_that_si_sdr_forgives() -> None:
    noise = COSINE * np.float32(0.1)
    assert sdr(SINE + noise, SINE) == pytest.approx(20, abs=0.01)
    assert sdr(SINE / 2, SINE) == pytest.approx(6.02, abs=0.01)
    assert si_sdr(SINE / 2, SINE) == LIMIT_DB
    assert sdr(SINE, SINE) == LIMIT_DB
    assert sdr(0 * SINE, SINE) == pytest.approx(0)
    assert np.isnan(sdr(SINE, 0 * SINE))
