"""Audiobox Aesthetics (Tjandra et al., 2025) as aesthetics scorer, by Meta's package `audiobox-aesthetics`.

The network is the package's; its predictor is not used, since it wants torchaudio and takes every window of a call
through the network at once. The windows are the predictor's: ten seconds end to end, what is shorter padded and
masked, and the mean weighted by length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.libraries import Library
from dataengine.models.remembered import Remembered
from dataengine.models.roles import Aesthetics, Matrix, ModelCard, Waveform
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, in_calls_of, start_torch
from dataengine.models.waveforms import fingerprint, resample, stack
from dataengine.models.weighted import Licence, WeightedAdapter

SAMPLE_RATE = 16_000
WINDOW = 10 * SAMPLE_RATE
AXES = {"PQ": "production_quality", "PC": "production_complexity"}
AXES |= {"CE": "content_enjoyment", "CU": "content_usefulness"}
REMEMBERED = 4096  # waveforms whose scores are kept, a few bytes each: two stages may ask for the same target


class AudioboxAdapter(WeightedAdapter):
    """Options of the scorer."""

    role = "aesthetics_scorer"
    libraries = (Library("audiobox-aesthetics", extra="audiobox"),)
    wanted = (("config.json",), ("model.safetensors",))
    published = {"facebook/audiobox-aesthetics": Licence(name="CC-BY-4.0", commercial=True)}

    precision: Precision = "float32"
    windows_per_call: int = Field(default=8, ge=1)
    """Windows of ten seconds that are heard together."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> Audiobox:
        """See Adapter. Raises UserError for weights of another network."""
        inference = start_torch(runtime, self.precision)
        model = self._read_model().to(inference.device).eval()
        return Audiobox(card, model, inference, self.windows_per_call)

    def _read_model(self) -> Any:
        from audiobox_aesthetics.model.aes import AesMultiOutput
        from safetensors import SafetensorError

        folder = self.weight_sets()[0].place()
        try:
            return AesMultiOutput.from_pretrained(str(folder), local_files_only=True, strict=True)
        except (OSError, RuntimeError, TypeError, ValueError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{self.weights} cannot be loaded as Audiobox Aesthetics: {reason}") from error


class Audiobox:
    """An AestheticsScorer."""

    def __init__(self, card: ModelCard, model: Any, inference: TorchInference, windows_per_call: int) -> None:
        self.card = card
        self._model = model
        self._inference = inference
        self._windows_per_call = windows_per_call
        self._remembered: Remembered[bytes, Aesthetics] = Remembered(REMEMBERED)

    def rate(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Aesthetics]:
        """See AestheticsScorer; a waveform without samples is rated as silence."""
        keys = [fingerprint(waveform, sample_rate) for waveform in waveforms]
        rated = self._remembered.answers(
            dict(zip(keys, waveforms, strict=True)), lambda new: self._rate(new, sample_rate)
        )
        return [rated[key] for key in keys]

    def _rate(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Aesthetics]:
        silence = np.zeros(WINDOW, dtype=np.float32)
        windows = [_windows(resample(each, sample_rate, SAMPLE_RATE)) for each in waveforms]
        windows = [each or [silence] for each in windows]
        together = [window for each in windows for window in each]
        scores = np.concatenate([self._hear(some) for some in in_calls_of(together, self._windows_per_call)])
        lengths = np.array([len(window) for window in together], dtype=np.float64)
        ends = np.cumsum([len(each) for each in windows])
        stretches = [slice(end - len(each), end) for each, end in zip(windows, ends, strict=True)]
        means = [np.average(scores[each], axis=0, weights=lengths[each]) for each in stretches]
        return [Aesthetics(**dict(zip(AXES.values(), map(float, mean), strict=True))) for mean in means]

    def _hear(self, windows: Sequence[Waveform]) -> Matrix:
        """[windows, axes], on the scale of the listeners."""
        heard = np.arange(WINDOW) < np.array([len(window) for window in windows])[:, None]
        with self._inference():
            answers = self._model(
                {
                    "wav": self._inference.to_device(stack(windows, WINDOW))[:, None],
                    "mask": self._inference.to_device(heard)[:, None],
                }
            )
        scales = self._model.target_transform
        axes = [as_matrix(answers[axis]) * scales[axis]["std"] + scales[axis]["mean"] for axis in AXES]
        matrix: Matrix = np.stack(axes, axis=1).astype(np.float32)
        return matrix


def _windows(waveform: Waveform) -> list[Waveform]:
    return [waveform[start : start + WINDOW] for start in range(0, len(waveform), WINDOW)]
