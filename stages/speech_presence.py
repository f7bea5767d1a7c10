"""Whether target and residual hold speech."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from pydantic import Field, PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import SpeechActivity, VoiceActivityDetector
from manifests.schema import FRAME_SCORES


class SpeechPresence(Stage):
    """Probability, 0..1, that target and residual hold speech for at least a minimum duration.

    It is the probability that a voice-activity detector reaches or exceeds during that much of the
    window, in one piece or several: one stray frame counts for little, and a short sentence as much as a
    long one. The reference asks for speech in the target of a speech prompt; the score is computed for
    every prompt, for speech in the target of any other prompt is a fault too.
    """

    reads = ("target", "residual")
    adds = {"speech_target": pa.float32(), "speech_residual": pa.float32()}
    roles = ("voice_activity_detector",)

    minimum_speech_seconds: float = Field(default=0.25, gt=0)
    """How much of the window must be speech."""
    frames: bool = False
    """Also add the detector's probability frame by frame, and the seconds between frames."""

    _detector: VoiceActivityDetector | None = PrivateAttr(default=None)

    def columns_added(self) -> Mapping[str, pa.DataType]:
        """The two scores, and their frames if they are asked for."""
        if not self.frames:
            return self.adds
        frames = {"speech_target_frames": FRAME_SCORES, "speech_residual_frames": FRAME_SCORES}
        return {**self.adds, **frames, "speech_hop_seconds": pa.float32()}

    def setup(self) -> None:
        """Load the detector."""
        self._detector = self.context.models.load("voice_activity_detector")

    def process(self, batch: Batch) -> Batch:
        """Add the scores."""
        assert self._detector is not None
        rows = len(batch)
        activity = self._detector.detect([*batch["target"], *batch["residual"]], self.context.sample_rate)
        presence = np.array([speech_presence(each, self.minimum_speech_seconds) for each in activity])
        presence = presence.astype(np.float32)
        batch = batch.with_columns(speech_target=presence[:rows], speech_residual=presence[rows:])
        if not self.frames:
            return batch
        probabilities = [each.probabilities for each in activity]
        return batch.with_columns(
            speech_target_frames=probabilities[:rows],
            speech_residual_frames=probabilities[rows:],
            speech_hop_seconds=np.array([each.hop_seconds for each in activity[:rows]], np.float32),
        )


def speech_presence(activity: SpeechActivity, minimum_seconds: float) -> float:
    """Highest probability that is reached for at least `minimum_seconds`; 0 for a shorter waveform."""
    frames = max(1, round(minimum_seconds / activity.hop_seconds))
    probabilities = activity.probabilities
    if len(probabilities) < frames:
        return 0.0
    return float(np.partition(probabilities, -frames)[-frames])
