"""Silero VAD as voice-activity detector: a probability of speech each 32 ms.

The package's sequence graph is run by ONNX Runtime directly: one call a waveform, the recurrent state
starting afresh in each. (Importing `silero_vad` itself would import torch and set its threads.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataengine.models.adapter import Adapter, PackagedWeights, Runtime
from dataengine.models.onnx_session import open_session
from dataengine.models.roles import Matrix, ModelCard, SpeechActivity, Waveform
from dataengine.models.waveforms import distinct, resample

WEIGHTS = PackagedWeights(
    distribution="silero-vad",
    version="6.2.3",
    files=("silero_vad/data/silero_vad_16k_sequence.onnx",),
    licence="MIT",
    commercial=True,
)

SAMPLE_RATE = 16_000
FRAME = 512
CONTEXT = 64  # samples of the frame before that each frame sees again
STATE = 128
FRAMES_PER_CALL = 2048  # bounds the memory for long waveforms


class SileroAdapter(Adapter):
    """The detector has no options."""

    role = "voice_activity_detector"

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return WEIGHTS.card(self, name)

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> Silero:
        """See Adapter."""
        (graph,) = WEIGHTS.paths()
        return Silero(card, open_session(graph, runtime))


class Silero:
    """A VoiceActivityDetector."""

    hop_seconds = FRAME / SAMPLE_RATE

    def __init__(self, card: ModelCard, session: Any) -> None:
        self.card = card
        self._session = session

    def detect(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[SpeechActivity]:
        """See VoiceActivityDetector; the last frame is filled with silence."""
        different, places = distinct(waveforms)
        heard = [self._detect_one(resample(waveform, sample_rate, SAMPLE_RATE)) for waveform in different]
        return [heard[place] for place in places]

    def _detect_one(self, waveform: Waveform) -> SpeechActivity:
        frames = _frames(waveform)
        hidden = cell = np.zeros((1, 1, STATE), dtype=np.float32)
        probabilities = [np.zeros(0, dtype=np.float32)]
        for start in range(0, len(frames), FRAMES_PER_CALL):
            block = frames[start : start + FRAMES_PER_CALL]
            speech, hidden, cell = self._session.run(
                ["speech_probs", "hn", "cn"], {"input": block, "h": hidden, "c": cell}
            )
            probabilities.append(speech.reshape(-1))
        return SpeechActivity(np.concatenate(probabilities), self.hop_seconds)


def _frames(waveform: Waveform) -> Matrix:
    """[frames, context + 512]: each frame behind the end of the one before it."""
    count = -(-len(waveform) // FRAME)
    padded = np.zeros(CONTEXT + count * FRAME, dtype=np.float32)
    padded[CONTEXT : CONTEXT + len(waveform)] = waveform
    if not count:
        return np.zeros((0, CONTEXT + FRAME), dtype=np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]
    return np.ascontiguousarray(windows)
