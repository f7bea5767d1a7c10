"""Parameters and method that stages share which ask where a waveform sounds."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from dataengine.engine.stage import Stage
from dataengine.models.roles import Waveform
from dataengine.models.sounding import SoundingRule


class SoundingStage(Stage):
    """The rule of `dataengine.models.sounding`, as parameters of a stage."""

    level_db: float = Field(default=SoundingRule.level_db, le=0)
    """A frame sounds when its RMS level is above this."""
    relative_to: Literal["full_scale", "loudest_frame"] = SoundingRule.relative_to
    """What `level_db` is counted from."""
    minimum_sounding_seconds: float = Field(default=SoundingRule.minimum_sounding_seconds, ge=0)
    """A shorter sounding segment counts as silence."""
    minimum_silence_seconds: float = Field(default=SoundingRule.minimum_silence_seconds, ge=0)
    """A shorter silence between two sounding segments counts as sounding; it is applied first."""
    frame_seconds: float = Field(default=SoundingRule.frame_seconds, gt=0)
    """Length of the frames whose RMS is taken; they do not overlap."""

    @property
    def rule(self) -> SoundingRule:
        """What counts as sounding."""
        return SoundingRule(
            level_db=self.level_db,
            relative_to=self.relative_to,
            minimum_sounding_seconds=self.minimum_sounding_seconds,
            minimum_silence_seconds=self.minimum_silence_seconds,
            frame_seconds=self.frame_seconds,
        )

    def sounding_seconds(self, waveform: Waveform) -> np.ndarray[Any, np.dtype[np.float64]]:
        """[segments, 2], start and end in seconds of each segment that sounds; sorted, not touching."""
        return self.rule.seconds(waveform, self.context.sample_rate)
