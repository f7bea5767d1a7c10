"""What separators are measured against: nothing done, cheap ways that know the truth, and the best that a mask can do.

The cheap ones are told what no separator is told, so whoever is no better has separated nothing that a filter or a
volume knob, set by the right answer, would not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataengine.evaluation.asking import Asked
from dataengine.evaluation.metrics import si_sdr
from dataengine.evaluation.overlap import FRAME_SECONDS
from dataengine.evaluation.questions import Question
from dataengine.models.level import frame_levels
from dataengine.models.roles import Stems, Waveform
from manifests.identity import stable_hash

CUTOFFS_HZ = tuple(round(100 * 2 ** (step / 2)) for step in range(13))
"""100 Hz to 6.4 kHz, half an octave apart."""
MASK_SECONDS = 0.064
"""Window of the oracle mask; windows overlap by three quarters."""


@dataclass(frozen=True)
class Baseline:
    """A contestant that looks at the truth."""

    name: str
    answer: Callable[[Asked], Stems]
    needs: Literal["nothing", "truth", "target"] = "target"
    """Of a question: that its answer is known, or also that what it asks for is there."""
    revision: str = "1"
    """Raised when it answers otherwise than before."""

    @property
    def digest(self) -> str:
        """Which answers these are."""
        return stable_hash("baseline", self.name, self.revision)

    def answers(self, question: Question) -> bool:
        """Whether what it needs is there."""
        return self.needs == "nothing" or (
            question.scene.known and (self.needs == "truth" or question.target is not None)
        )

    def separate(self, asked: Sequence[Asked]) -> list[Stems]:
        """See Contestant."""
        return [self.answer(each) for each in asked]


def nothing(asked: Asked) -> Stems:
    """The mixture as both stems: an improvement of 0 dB by definition."""
    return Stems(asked.mixture, asked.mixture)


def band_split(asked: Asked) -> Stems:
    """One cut through the spectrum, with the frequency and the side for which the two stems come nearest the truth."""
    spectrum = np.fft.rfft(asked.mixture)
    frequencies = np.fft.rfftfreq(len(asked.mixture), 1 / asked.sample_rate)
    lows = [_inverse(spectrum * (frequencies < cutoff), len(asked.mixture)) for cutoff in CUTOFFS_HZ]
    sides = [side for low in lows for side in ((low, asked.mixture - low), (asked.mixture - low, low))]
    return Stems(*max(sides, key=lambda side: _nearness(asked, *side)))


def gate(asked: Asked) -> Stems:
    """Each 20-ms frame goes whole to the stem that is louder in it."""
    frame = round(FRAME_SECONDS * asked.sample_rate)
    louder = frame_levels(asked.target, frame) > frame_levels(asked.rest, frame)
    is_target = np.repeat(louder, frame)[: len(asked.mixture)]
    target = asked.mixture * is_target
    return Stems(target, asked.mixture - target)


def ratio_mask(asked: Asked) -> Stems:
    """The oracle: each cell of a spectrogram shared out by the true powers in it.

    The ideal ratio mask with exponent 1 (Wang & Chen, "Supervised speech separation based on deep learning",
    IEEE/ACM TASLP 26, 2018, section III): about what any separator could reach that keeps the mixture's phases.
    """
    import torch

    size = round(MASK_SECONDS * asked.sample_rate)
    window = torch.hann_window(size)
    mixture, target, rest = (
        torch.stft(torch.from_numpy(each), size, size // 4, window=window, return_complex=True)
        for each in (asked.mixture, asked.target, asked.rest)
    )
    wanted, unwanted = target.abs().square(), rest.abs().square()
    masked = mixture * wanted / (wanted + unwanted).clamp_min(1e-20)
    found: Waveform = torch.istft(masked, size, size // 4, window=window, length=len(asked.mixture)).numpy()
    return Stems(found, asked.mixture - found)


MIXTURE = Baseline("mixture", nothing, needs="nothing")
BAND_SPLIT = Baseline("band split by truth", band_split)
GATE = Baseline("gate by truth", gate)
RATIO_MASK = Baseline("oracle mask", ratio_mask, needs="truth")
BASELINES = (MIXTURE, BAND_SPLIT, GATE, RATIO_MASK)


def _inverse(spectrum: np.ndarray[tuple[int], np.dtype[np.complex128]], samples: int) -> Waveform:
    waveform: Waveform = np.fft.irfft(spectrum, samples).astype(np.float32)
    return waveform


def _nearness(asked: Asked, target: Waveform, residual: Waveform) -> float:
    """Sum of both stems' SI-SDR where there is something to separate; of stems that never meet, over everything."""
    there = slice(None) if asked.overlap is None else asked.overlap.samples
    return si_sdr(target[there], asked.target[there]) + si_sdr(residual[there], asked.rest[there])
