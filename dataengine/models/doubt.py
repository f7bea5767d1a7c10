"""What a separator's doubt says of its stems."""

from __future__ import annotations

import numpy as np

from dataengine.models.roles import Stems, Waveform

SILENCE = 1e-9
"""Energy that counts as none: of ten seconds at −102 dBFS."""


def expected_gain_db(residual: Waveform, doubt: Waveform) -> float:
    """Energy of the residual over that of the doubt, dB.

    The residual is what is wrong with the mixture, taken for the target; the doubt, where several estimates of the
    target differ, is a guess at what is wrong with the target.
    """
    return _decibels(_energy(residual) / _energy(doubt))


def gain_of_both_db(residual: Waveform, first: Stems, second: Stems) -> float | None:
    """What is expected of a target that the second separator found in the target of the first, dB.

    The doubts of both are in it. None if one of them cannot tell.
    """
    if first.expected_gain_db is None or second.expected_gain_db is None:
        return None
    doubts = _doubt(first.residual, first.expected_gain_db) + _doubt(second.residual, second.expected_gain_db)
    return _decibels(_energy(residual) / doubts)


def _doubt(residual: Waveform, gain_db: float) -> float:
    """Energy of the doubt that an expected gain was made of."""
    return _energy(residual) / float(10 ** (gain_db / 10))


def _energy(waveform: Waveform) -> float:
    return float(np.sum(waveform.astype(np.float64) ** 2)) + SILENCE


def _decibels(ratio: float) -> float:
    return float(10 * np.log10(ratio))
