"""Demucs as separator: the stems of music at 44.1 kHz, by the package `demucs` (Rouard et al., ICASSP 2023).

The package hears a mixture at a level of its own, in segments that are faded into each other. It would also begin each
mixture at a random time; here it begins at its start, so that answers repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.models.adapter import Runtime
from dataengine.models.demucs_checkpoint import read_networks
from dataengine.models.libraries import Library
from dataengine.models.roles import Matrix, ModelCard, Waveform
from dataengine.models.stem_prompts import TABLE, StemPrompts
from dataengine.models.stem_separator import StemSeparator
from dataengine.models.torch_inference import TorchInference, as_matrix, start_torch
from dataengine.models.weighted import Licence, WeightedAdapter
from dataengine.models.weights import HubRepository, Weights

MIT = Licence(name="MIT", commercial=True)
LEAST_SPREAD = 1e-8
"""What the package adds to the standard deviation that it divides by."""


class DemucsAdapter(WeightedAdapter):
    """The separator has no options but its weights: a repository or folder of the package's, or one network."""

    role = "separator"
    libraries = (Library("demucs", extra="demucs"),)
    published = {
        f"adefossez/{name}": MIT
        for name in (
            "HTDemucs",
            "HTDemucs-ft",
            "HTDemucs-6s",
            "Demucs-hdemucs_mmi",
            "Demucs-mdx",
            "Demucs-mdx_extra",
        )
    }

    def weight_sets(self) -> tuple[Weights, ...]:
        """See Adapter."""
        repository = Weights(self.weights).repository
        table = _table_of(repository) if repository else "*.yaml"
        return (Weights(self.weights, ((table,), ("*.safetensors",))),)

    def files(self) -> tuple[Path, ...]:
        """See WeightedAdapter; which stems a prompt asks for is part of the model."""
        return (*super().files(), TABLE)

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> StemSeparator:
        """See Adapter. Raises UserError for weights that are no Demucs."""
        inference = start_torch(runtime, "float32")
        networks = read_networks(self.weight_sets()[0].paths(), self.weights)
        return StemSeparator(card, Demucs(networks, inference), StemPrompts.load())


class Demucs:
    """A StemNetwork."""

    def __init__(self, networks: Any, inference: TorchInference) -> None:
        self._networks = networks
        self._inference = inference
        self.stems = tuple(networks.sources)
        self.sample_rate: int = networks.samplerate

    def split(self, mixture: Waveform) -> Matrix:
        """See StemNetwork; what is mono is heard as stereo, and the mean of both sides is the answer."""
        from demucs.apply import apply_model

        mean = mixture.mean()
        spread = (mixture.std(ddof=1) if len(mixture) > 1 else np.float32(0)) + np.float32(LEAST_SPREAD)
        heard = self._inference.to_device((mixture - mean) / spread)
        with self._inference():
            found = apply_model(self._networks, heard.expand(1, self._networks.audio_channels, -1), shifts=0)
        stems: Matrix = as_matrix(found[0].mean(dim=1)) * spread + mean
        return stems


def _table_of(repository: HubRepository) -> str:
    """The file that says which networks a repository holds: `htdemucs_ft.yaml` in `HTDemucs-ft`."""
    name = repository.name.partition("/")[2]
    return f"{name.removeprefix('Demucs-').replace('HTDemucs-', 'htdemucs_').replace('HTDemucs', 'htdemucs')}.yaml"
