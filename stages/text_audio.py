"""How well the prompt describes target, residual and mixture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import TextAudioScorer
from manifests.schema import FRAME_SCORES

HEARD = ("target", "residual", "mixture")


class TextAudio(Stage):
    """Agreement of the prompt with target, residual and mixture (CLAP in the reference).

    The target should hold what the prompt names and the residual should not; the mixture's score says
    whether it was there in the first place. The scale is the scorer's: −1..1 for a cosine.
    """

    reads = ("text", *HEARD)
    adds = {f"text_audio_{name}": pa.float32() for name in HEARD}
    roles = ("text_audio_scorer",)
    version = "2"

    frames: bool = False
    """Also add the three scores frame by frame, and the seconds between frames."""

    _scorer: TextAudioScorer | None = PrivateAttr(default=None)

    def columns_added(self) -> Mapping[str, pa.DataType]:
        """The clip scores, and their frames if they are asked for."""
        if not self.frames:
            return self.adds
        frames = {f"{name}_frames": FRAME_SCORES for name in self.adds}
        return {**self.adds, **frames, "text_audio_hop_seconds": pa.float32()}

    def setup(self) -> None:
        """Load the scorer."""
        self._scorer = self.context.models.load("text_audio_scorer")

    def process(self, batch: Batch) -> Batch:
        """Add the scores."""
        assert self._scorer is not None
        rows = len(batch)
        waveforms = [waveform for name in HEARD for waveform in batch[name]]
        scores = self._scorer.score(list(batch["text"]) * len(HEARD), waveforms, self.context.sample_rate)
        clips = np.array([score.clip for score in scores], dtype=np.float32).reshape(len(HEARD), rows)
        batch = batch.with_columns(**dict(zip(self.adds, clips, strict=True)))
        if not self.frames:
            return batch
        frames = {
            f"{name}_frames": [score.frames for score in scores[place * rows : (place + 1) * rows]]
            for place, name in enumerate(self.adds)
        }
        return batch.with_columns(
            **frames,
            text_audio_hop_seconds=np.array([score.hop_seconds for score in scores[:rows]], np.float32),
        )
