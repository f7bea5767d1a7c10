"""Who wins more often: of two separators' answers to the same questions, one by one.

The net win rate is the share of questions that the first one wins less the share that it loses. The reference's is of
listeners; this one goes by a measure, and a difference that its tie allows is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dataengine.evaluation.bootstrap import ClipBootstrap, Estimate


@dataclass(frozen=True)
class NetWinRate:
    """Of a first separator over a second."""

    wins: int
    losses: int
    ties: int
    clips: int
    """How many different ones the questions hold."""
    rate: Estimate
    """−1..1"""


def net_win_rate(differences: Sequence[float], clips: Sequence[Iterable[str]], tie: float) -> NetWinRate:
    """Of differences first − second, one a question, at least one; `clips` as in `ClipBootstrap`."""
    values = np.asarray(differences, dtype=np.float64)
    won = np.where(np.abs(values) <= tie, 0.0, np.sign(values))
    bootstrap = ClipBootstrap(clips)
    return NetWinRate(
        wins=int((won > 0).sum()),
        losses=int((won < 0).sum()),
        ties=int((won == 0).sum()),
        clips=bootstrap.clips,
        rate=bootstrap.summary(won).mean,
    )
