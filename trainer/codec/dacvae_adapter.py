"""DAC-VAE in the role of a profile's codec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataengine.models.adapter import Runtime
from dataengine.models.libraries import Library
from dataengine.models.roles import ModelCard
from dataengine.models.weighted import WeightedAdapter
from trainer.codec.dacvae import DacVae
from trainer.codec.dacvae_weights import CONFIG_FILE, WEIGHTS_FILE, read_dacvae


class DacVaeAdapter(WeightedAdapter):
    """The codec has no options: `weights` names a folder, or a file of the package `dacvae`.

    No licence stands here for the published weights: what their page says and the package's own differ.
    """

    role = "codec"
    libraries = (Library("transformers", extra="separator"),)
    wanted = ((CONFIG_FILE,), (WEIGHTS_FILE,))

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> DacVae:
        """See Adapter; on the CPU: whoever asks for it says where it works. Raises UserError for other weights."""
        return read_dacvae(self.weight_sets()[0].place(), self.weights)
