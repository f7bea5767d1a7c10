"""Text–audio scores from the two towers of a CLAP (Wu et al., ICASSP 2023), whichever library runs them.

CLAP hears ten seconds. Of longer recordings both libraries take a random crop, so that the same recording scores
differently each time; here it is heard in fixed windows, whose cosines with the text are averaged. What is shorter
is repeated to ten seconds, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dataengine.models.remembered import Remembered
from dataengine.models.roles import ClipScore, Matrix, ModelCard, Waveform
from dataengine.models.torch_inference import in_calls_of
from dataengine.models.waveform_windows import fixed_windows
from dataengine.models.waveforms import distinct, resample

SAMPLE_RATE = 48_000
WINDOW = 10 * SAMPLE_RATE
TEXTS_PER_CALL = 64
MAX_TOKENS = 77  # what CLAP was trained with: longer texts are cut
REMEMBERED = 16_384  # texts whose vectors are kept, 2 KB each


class ClapTowers(Protocol):
    """The two networks of a CLAP."""

    def embed_texts(self, texts: Sequence[str]) -> Matrix:
        """[texts, 512], L2-normalised."""
        ...

    def embed_windows(self, windows: Sequence[Waveform]) -> Matrix:
        """[windows, 512], L2-normalised; each window holds 1 to 480,000 samples at 48 kHz."""
        ...


class ClapScorer:
    """A TextAudioScorer; it gives no frames."""

    def __init__(self, card: ModelCard, towers: ClapTowers, windows_per_call: int) -> None:
        self.card = card
        self._towers = towers
        self._windows_per_call = windows_per_call
        self._text_vectors: Remembered[str, Matrix] = Remembered(REMEMBERED)

    def score(self, texts: Sequence[str], waveforms: Sequence[Waveform], sample_rate: int) -> list[ClipScore]:
        """See TextAudioScorer."""
        wanted = self._text_vectors.answers({text: text for text in texts}, self._embed_texts)
        different, places = distinct(waveforms)
        heard = self._embed_waveforms([resample(each, sample_rate, SAMPLE_RATE) for each in different])
        no_frames = np.zeros(0, dtype=np.float32)
        return [
            ClipScore(float(np.mean(heard[place] @ wanted[text])), no_frames, 0.0)
            for text, place in zip(texts, places, strict=True)
        ]

    def _embed_texts(self, texts: list[str]) -> list[Matrix]:
        return [row for some in in_calls_of(texts, TEXTS_PER_CALL) for row in self._towers.embed_texts(some)]

    def _embed_waveforms(self, waveforms: Sequence[Waveform]) -> list[Matrix]:
        """For each waveform the vectors of its windows [windows, 512]."""
        silence = np.zeros(WINDOW, dtype=np.float32)
        windows = [fixed_windows(each if len(each) else silence, WINDOW) for each in waveforms]
        together = [window for each in windows for window in each]
        vectors = [
            row
            for some in in_calls_of(together, self._windows_per_call)
            for row in self._towers.embed_windows(some)
        ]
        ends = np.cumsum([len(each) for each in windows])
        return [np.stack(vectors[end - len(each) : end]) for each, end in zip(windows, ends, strict=True)]
