"""What a separator's doubt says of its stems."""

from __future__ import annotations

import numpy as np

from dataengine.models.roles import Waveform

SILENCE = 1e-9
"""Energy that counts as none: of ten seconds at −102 dBFS."""


def expected_gain_db(residual: Waveform, doubt: Waveform) -> float:
    """Energy of the residual over that of the doubt, dB.

    The residual is what is wrong with the mixture, taken for the target; the doubt, where several estimates of the
    target differ, is a guess at what is wrong with the target.
    """
    energies = [float(np.sum(each.astype(np.float64) ** 2)) + SILENCE for each in (residual, doubt)]
    return float(10 * np.log10(energies[0] / energies[1]))
