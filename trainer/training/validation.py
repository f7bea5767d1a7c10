"""Validation: how well sounds are taken apart that training never hears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, Field

from dataengine.evaluation.metrics import si_sdr
from dataengine.evaluation.overlap import Overlap, overlap
from dataengine.models.roles import Waveform
from trainer.data.drawing import Drawing, MixingConfig, Strategy
from trainer.data.indexing import index_shards
from trainer.data.mixing import rms_level
from trainer.data.pools import Pool
from trainer.data.rendering import TrainingSample
from trainer.data.samples import TrainingSamples
from trainer.data.shards import ShardReader
from trainer.flow.sampling import SamplingConfig
from trainer.separator import Heard, Prompted, Separator


class ValidationConfig(BaseModel):
    """What is validated on, and how often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shards: list[str]
    """Recordings that no training shard holds: tars, patterns, folders or run directories."""
    samples: int = Field(default=64, ge=1)
    """Synthetic mixtures, the same every time; in one of eight the prompt names nothing."""
    examples: int = Field(default=4, ge=0)
    """Of these, how many are written for listening."""
    sampling: SamplingConfig = SamplingConfig(steps=4)


SHARES: Mapping[Strategy, float] = {"synthetic": 7, "absent": 1}


def validation_samples(
    config: ValidationConfig, mixing: MixingConfig, sample_rate: int, index: Path
) -> list[TrainingSample]:
    """The mixtures that are validated on: mixed as those of training are, from other recordings."""
    pool = Pool(index_shards(config.shards, index))
    drawing = Drawing(replace(mixing, shares=SHARES), {"recording": pool}, seed=0)
    samples = TrainingSamples(drawing, ShardReader(sample_rate), sample_rate)
    return [samples[position] for position in range(config.samples)]


@dataclass(frozen=True)
class Validation:
    """What a validation found, in dB."""

    target_gain: float
    """Mean improvement of the target's SI-SDR over the mixture's, where target and residual both sound: elsewhere
    it is enough to know when to listen."""
    residual_gain: float
    """The same for the residual."""
    silence: float
    """How far the target lies below the mixture where the prompt names nothing in it: the mean."""

    @property
    def merit(self) -> float:
        """What the best checkpoint is the best in: the mean gain of the two stems."""
        return (self.target_gain + self.residual_gain) / 2


def validate(
    separator: Separator,
    samples: Sequence[TrainingSample],
    sampling: SamplingConfig,
    examples: Path,
    count: int,
) -> Validation:
    """Separate the samples and compare with their stems; the first `count` are written below `examples`."""
    rate = separator.sample_rate
    prompted = [Prompted(sample.mixture, sample.text, (), sample.noise_seed) for sample in samples]
    found = separator.hear(prompted, sampling)
    gains: list[tuple[float, float]] = []
    silences: list[float] = []
    for sample, heard in zip(samples, found, strict=True):
        if not sample.target.any():
            silences.append(rms_level(sample.mixture) - rms_level(heard.target))
        elif met := overlap(sample.target, sample.residual, rate):
            gains.append(_gains(sample, heard, met))
    for number, (sample, heard) in enumerate(zip(samples[:count], found, strict=False)):
        _write_example(examples / f"{number:02d}", sample, heard, rate)
    return Validation(
        target_gain=fmean(target for target, _ in gains) if gains else float("nan"),
        residual_gain=fmean(residual for _, residual in gains) if gains else float("nan"),
        silence=fmean(silences) if silences else float("nan"),
    )


def _gains(sample: TrainingSample, heard: Heard, met: Overlap) -> tuple[float, float]:
    """Of target and residual, dB."""

    def gain(estimate: Waveform, truth: Waveform) -> float:
        here = met.samples
        return si_sdr(estimate[here], truth[here]) - si_sdr(sample.mixture[here], truth[here])

    return gain(heard.target, sample.target), gain(heard.residual, sample.residual)


def _write_example(folder: Path, sample: TrainingSample, heard: Heard, rate: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prompt.txt").write_text(sample.text + "\n")
    stems = {
        "mixture": sample.mixture,
        "target": heard.target,
        "residual": heard.residual,
        "truth": sample.target,
    }
    for name, waveform in stems.items():
        soundfile.write(folder / f"{name}.flac", np.clip(waveform, -1, 1), rate, subtype="PCM_16")
