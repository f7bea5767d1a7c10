"""Measures of how near a separated sound is to the true one."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from dataengine.models.roles import Waveform

Signal: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

LIMIT_DB = 100.0
"""What a perfect estimate gets, and, negative, one without anything of the reference."""


def si_sdr(estimate: Waveform, reference: Waveform) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, −100..100; both have shape [samples].

    The part of the estimate that is a multiple of the reference, over the rest; both without their mean
    (Le Roux, Wisdom, Erdogan, Hershey: "SDR – half-baked or well done?", ICASSP 2019, eq. 4). NaN if the
    reference is constant; −100 if the estimate is.
    """
    if estimate.shape != reference.shape:
        raise ValueError(f"an estimate of {len(estimate)} samples, a reference of {len(reference)}")
    given = estimate.astype(np.float64)
    true = reference.astype(np.float64)
    given -= given.mean()
    true -= true.mean()
    energy = float(true @ true)
    if not energy:
        return float("nan")
    scaled = (float(given @ true) / energy) * true
    return _ratio_db(scaled, given - scaled)


def sdr(estimate: Waveform, reference: Waveform) -> float:
    """Signal-to-distortion ratio in dB, −100..100; both have shape [samples].

    The reference over all by which the estimate differs from it, a wrong level included (the SDR of the Music
    Demixing Challenge 2021, Mitsufuji et al., eq. 1). NaN if the reference is silent.
    """
    if estimate.shape != reference.shape:
        raise ValueError(f"an estimate of {len(estimate)} samples, a reference of {len(reference)}")
    true = reference.astype(np.float64)
    return _ratio_db(true, estimate.astype(np.float64) - true) if true.any() else float("nan")


def _ratio_db(signal: Signal, distortion: Signal) -> float:
    wanted, unwanted = float(signal @ signal), float(distortion @ distortion)
    if wanted <= unwanted * 10 ** (-LIMIT_DB / 10):
        return -LIMIT_DB
    if unwanted <= wanted * 10 ** (-LIMIT_DB / 10):
        return LIMIT_DB
    return float(10 * np.log10(wanted / unwanted))
