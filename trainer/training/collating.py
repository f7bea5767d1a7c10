"""From samples to a batch, in whichever process reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dataengine.models.profile import ProfileModels
from trainer.codec.role import FrameLayout
from trainer.conditions import TextStates
from trainer.data.rendering import TrainingSample
from trainer.data.samples import RenderedBatch, collate
from trainer.flow.times import TimeSampling


@dataclass
class Collating:
    """Puts samples together; it travels to the processes that read, and loads its models there."""

    layout: FrameLayout
    models: ProfileModels
    times: TimeSampling
    hears: bool
    """Whether the batch tells what the tagger hears in the targets."""

    def __call__(self, samples: Sequence[TrainingSample]) -> RenderedBatch:
        """A batch of the samples."""
        tagger = self.models.load("tagger") if self.hears else None
        return collate(samples, self.layout, self._texts, self.times, tagger)

    @cached_property
    def _texts(self) -> TextStates:
        return TextStates.of(self.models)
