"""Whether the separator finds the same target in another mixture of the same stems."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import Separator, Waveform
from manifests.identity import seed_of
from stages.second_answer import agreement_db, second_targets

GAIN_DB = 5.0
"""By at most so much the residual is made louder or softer."""
LEAST_SHIFT = 0.25
"""Of the window: the residual is moved by this share at least, either way round."""


class RemixConsistency(Stage):
    """SI-SDR of the target that is found again in a remix against the first one, in dB, −30..30.

    The remix is the target with the residual, moved in time around the end of the window and made up to 5 dB louder or
    softer; shift and gain are drawn by the sample's id. The same separator gets the same prompt again: if the target is
    the whole sound and nothing else, it should be found in any mixture. The idea of mixing a separator's estimates
    anew is that of RemixIT (Tzinis, Adi, Ithapu, Xu, Smaragdis, Kumar: "RemixIT: Continual self-training of
    speech enhancement models via bootstrapped remixing", IEEE J. Selected Topics in Signal Processing 16, 2022); here
    nothing is learned from them. It needs no further model, and as much time as separating. On scenes of split
    `calibrate` prompts for speech have an AUC of 0.69. Null where a stem is digital silence.
    """

    reads = ("target", "residual", "text", "speech_prompt")
    adds = {"remix_consistency_db": pa.float32()}
    roles = ("separator",)

    _separator: Separator | None = PrivateAttr(default=None)

    def setup(self) -> None:
        """Load the separator."""
        self._separator = self.context.models.load("separator")

    def process(self, batch: Batch) -> Batch:
        """Add `remix_consistency_db`."""
        assert self._separator is not None
        firsts, residuals = batch["target"], batch["residual"]
        seeds = [seed_of(self.context.seed, sample, self.name()) for sample in batch["sample_id"]]
        mixtures = [remix(*each) for each in zip(firsts, residuals, seeds, strict=True)]
        seconds = second_targets(self._separator, mixtures, batch, self.context.sample_rate)
        scores = [
            agreement_db(second, first) if first.any() and residual.any() else np.nan
            for second, first, residual in zip(seconds, firsts, residuals, strict=True)
        ]
        return batch.with_columns(remix_consistency_db=np.array(scores, dtype=np.float32))


def remix(target: Waveform, residual: Waveform, seed: int) -> Waveform:
    """The target with the residual moved and its level changed, all [samples]; softer as a whole if it would clip."""
    draw = np.random.default_rng(seed)
    shift = round(draw.uniform(LEAST_SHIFT, 1 - LEAST_SHIFT) * len(residual))
    gain = np.float32(10 ** (draw.uniform(-GAIN_DB, GAIN_DB) / 20))
    mixture: Waveform = target + gain * np.roll(residual, shift)
    return mixture / np.float32(max(1.0, np.abs(mixture).max(initial=0)))
