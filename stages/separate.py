"""The separator takes what each prompt names out of its mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field, PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.level import powers, ratio_db
from dataengine.models.roles import Prompt, Separator, Stems, Waveform
from manifests.schema import WAVEFORM


class Separate(Stage):
    """Split each candidate's mixture into target and residual.

    Stems that are of another length than their mixture, not finite, or do not add up to it are an
    error of the separator: the candidate fails. `expected_gain_db` is the separator's own guess at how much
    nearer the truth the target is than the mixture; it is null where the separator makes none.
    """

    reads = ("mixture", "text", "speech_prompt")
    adds = {"target": WAVEFORM, "residual": WAVEFORM, "expected_gain_db": pa.float32()}
    roles = ("separator",)

    highest_remix_error_db: float | None = Field(default=-90.0, le=0)
    """Highest level of mixture − target − residual relative to the mixture. `null` for a separator that
    generates both stems and does not promise their sum: `remix_error` then says how far off it is."""

    _separator: Separator | None = PrivateAttr(default=None)

    def setup(self) -> None:
        """Load the separator."""
        self._separator = self.context.models.load("separator")

    def process(self, batch: Batch) -> Batch:
        """Add `target`, `residual` and `expected_gain_db`."""
        assert self._separator is not None
        mixtures = batch["mixture"]
        stems = self._separator.separate(mixtures, prompts_of(batch), self.context.sample_rate)
        self._check(mixtures, stems)
        gains = [np.nan if each.expected_gain_db is None else each.expected_gain_db for each in stems]
        return batch.with_columns(
            target=[each.target for each in stems],
            residual=[each.residual for each in stems],
            expected_gain_db=np.array(gains, dtype=np.float32),
        )

    def _check(self, mixtures: Sequence[Waveform], stems: Sequence[Stems]) -> None:
        for mixture, each in zip(mixtures, stems, strict=True):
            check_stem("target", each.target, mixture)
            check_stem("residual", each.residual, mixture)
        if self.highest_remix_error_db is None:
            return
        errors = ratio_db(powers(_differences(mixtures, stems)), powers(mixtures))
        highest = float(np.nanmax(errors, initial=-np.inf))
        if highest > self.highest_remix_error_db:
            raise ValueError(
                f"target + residual is off the mixture by {highest:.1f} dB; for a separator that does not "
                "promise the sum, set `highest_remix_error_db: null`"
            )


def prompts_of(batch: Batch) -> list[Prompt]:
    """What a separator is asked for each row. Reads `text` and `speech_prompt`."""
    rows = zip(batch["text"], batch["speech_prompt"], strict=True)
    return [Prompt(text=text, speech=bool(speech)) for text, speech in rows]


def check_stem(name: str, stem: Waveform, mixture: Waveform) -> None:
    """Raise ValueError for a stem of another length than its mixture, both [samples], or that is not finite."""
    if stem.shape != mixture.shape:
        raise ValueError(f"the {name} has {len(stem)} samples, its mixture {len(mixture)}")
    if not np.isfinite(stem).all():
        raise ValueError(f"the {name} holds samples that are no numbers")


def _differences(mixtures: Sequence[Waveform], stems: Sequence[Stems]) -> list[Any]:
    return [m - each.target - each.residual for m, each in zip(mixtures, stems, strict=True)]
