"""A second answer to the prompts of candidates, and how far it agrees with the first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataengine.engine.batch import Batch
from dataengine.evaluation.metrics import si_sdr
from dataengine.models.roles import Separator, Waveform
from stages.separate import check_stem, prompts_of

LIMIT_DB = 30.0
"""Answers that agree better than this are equal for all that matters, and those below its negative have nothing in
common."""


def second_targets(
    separator: Separator, mixtures: Sequence[Waveform], batch: Batch, sample_rate: int
) -> list[Waveform]:
    """What a separator takes out of each mixture [samples] for the prompt of the row at the same place.

    Reads and raises as `prompts_of` and `check_stem` do.
    """
    targets = [stems.target for stems in separator.separate(mixtures, prompts_of(batch), sample_rate)]
    for mixture, target in zip(mixtures, targets, strict=True):
        check_stem("second target", target, mixture)
    return targets


def agreement_db(second: Waveform, first: Waveform) -> float:
    """SI-SDR of the second target against the first, both [samples], in dB, −30..30.

    It is the same the other way round. NaN if the first is constant, −30 if only the second is.
    """
    return float(np.clip(si_sdr(second, first), -LIMIT_DB, LIMIT_DB))
