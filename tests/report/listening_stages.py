"""Stages for tests of the report: prompts from a list, a separation by frequency, a score of the audio."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dataengine import Stage
from dataengine.engine.batch import Batch
from manifests.schema import KIND_TEXT, WAVEFORM

HOSTILE = "<script>document.title = 'taken over'</script> & \"bells\""
PROMPTS = ("low sounds", "a woman speaking", HOSTILE)


class TellPrompts(Stage):
    """The same three prompts for every window."""

    reads = ("mixture",)
    adds = {
        "text": pa.string(),
        "kind": pa.string(),
        "text_source": pa.string(),
        "text_confidence": pa.float32(),
        "speech_prompt": pa.bool_(),
    }
    proposes = True

    def process(self, batch: Batch) -> Batch:
        rows = np.repeat(np.arange(len(batch)), len(PROMPTS))
        texts = list(PROMPTS) * len(batch)
        return batch.expand(
            rows,
            text=texts,
            kind=[KIND_TEXT] * len(rows),
            text_source=["list"] * len(rows),
            text_confidence=np.full(len(rows), 0.5, np.float32),
            speech_prompt=["speaking" in text for text in texts],
        )


class SplitBands(Stage):
    """The target is what lies below a frequency, another for each prompt."""

    reads = ("mixture", "text")
    adds = {"target": WAVEFORM, "residual": WAVEFORM}

    def process(self, batch: Batch) -> Batch:
        targets = [
            self._below(mixture, 400.0 * (1 + PROMPTS.index(text)))
            for mixture, text in zip(batch["mixture"], batch["text"], strict=True)
        ]
        residuals = [mixture - target for mixture, target in zip(batch["mixture"], targets, strict=True)]
        return batch.with_columns(target=targets, residual=residuals)

    def _below(self, mixture: np.ndarray, hertz: float) -> np.ndarray:
        spectrum = np.fft.rfft(mixture)
        spectrum[np.fft.rfftfreq(len(mixture), 1 / self.context.sample_rate) > hertz] = 0
        return np.fft.irfft(spectrum, len(mixture)).astype(np.float32)


class Crossings(Stage):
    """Share of the target's samples at which its sign changes; null where it is silent."""

    reads = ("target",)
    adds = {"crossings": pa.float32()}

    def process(self, batch: Batch) -> Batch:
        shares = [
            np.mean(np.diff(np.signbit(target))) if np.any(target) else np.nan for target in batch["target"]
        ]
        return batch.with_columns(crossings=np.array(shares, np.float32))
