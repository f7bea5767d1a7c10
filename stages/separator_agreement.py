"""Whether another separator finds the same."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.errors import UserError
from dataengine.models.roles import Separator, Waveform
from stages.second_answer import agreement_db, second_targets
from stages.sounding import SoundingStage

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

FIRST_SILENT = "the target is silent"
SECOND_SILENT = "the second separator's target is silent"
NO_TEXT = "the prompt has no text"


class SeparatorAgreement(SoundingStage):
    """SI-SDR of a second separator's target against the first one's, where either sounds; in dB, −30..30.

    The errors of one model agree with themselves; those of two that were trained apart need not. The second is asked
    for the same mixture and prompt, and the measure is the same whichever of the two is taken for the reference; a
    difference in level does not count. How much it tells depends on the second: with Spleeter, on scenes of split
    `calibrate`, prompts for speech over music have an AUC of 0.70, and it tells nothing over sounds. What sounds is
    what `silence_ratio` would count, with the same parameters. Null where one of the two targets never sounds, and
    where the prompt has no text; `separator_agreement_reason` says which.
    """

    reads = ("mixture", "target", "text", "speech_prompt")
    adds = {"separator_agreement_db": pa.float32(), "separator_agreement_reason": pa.string()}
    roles = ("second_separator",)

    _second: Separator | None = PrivateAttr(default=None)

    def prepare(self) -> None:
        """Raises UserError if the second separator is the first: it would agree with itself."""
        models = self.context.models
        first, second = (models.provenance((role,))[role] for role in ("separator", "second_separator"))
        if all(first[fact] == second[fact] for fact in ("adapter", "digest", "options")):
            raise UserError(
                f"the profile's second_separator is its separator ({first['adapter']}), which agrees with itself; "
                "name another model for one of the two"
            )

    def setup(self) -> None:
        """Load the second separator."""
        self._second = self.context.models.load("second_separator")

    def process(self, batch: Batch) -> Batch:
        """Add `separator_agreement_db` and `separator_agreement_reason`."""
        assert self._second is not None
        seconds = second_targets(self._second, batch["mixture"], batch, self.context.sample_rate)
        rows = zip(batch["text"], batch["target"], seconds, strict=True)
        scores, reasons = zip(*(self._compared(*row) for row in rows), strict=True)
        return batch.with_columns(
            separator_agreement_db=np.array(scores, dtype=np.float32),
            separator_agreement_reason=list(reasons),
        )

    def _compared(self, text: str | None, first: Waveform, second: Waveform) -> tuple[float, str | None]:
        """The score of two targets for a prompt, both [samples]; or NaN, and why there is none."""
        heard = self._sounding(first), self._sounding(second)
        if text is None:
            return np.nan, NO_TEXT
        for mask, silent in zip(heard, (FIRST_SILENT, SECOND_SILENT), strict=True):
            if not mask.any():
                return np.nan, silent
        either = heard[0] | heard[1]
        return agreement_db(second[either], first[either]), None

    def _sounding(self, target: Waveform) -> Mask:
        """[samples], where a target sounds."""
        mask = np.zeros(len(target), dtype=bool)
        for start, end in np.rint(self.sounding_seconds(target) * self.context.sample_rate).astype(int):
            mask[start:end] = True
        return mask
