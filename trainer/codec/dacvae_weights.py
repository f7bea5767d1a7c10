"""The two forms in which a DAC-VAE's weights are read.

A folder, as `save_dacvae` writes it:

    config.json          transformers' DacConfig, with the latents' channels as `codebook_dim`
    model.safetensors    encoder.*, decoder.*     named as in transformers' DacModel
                         bottleneck.in_proj.*     [2 · channels, width, 1]: the mean's rows, then the scale's
                         bottleneck.out_proj.*    [width, channels, 1]

A file of the reference's package, `weights.pth`. Its names were read in the package's public code; no machine that
built this had the file. There a convolution's weight is a direction and a length (weight normalisation), layers are
numbered, and the decoder's last layers lie in the network that adds the watermark, the rest of which is left behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dataengine.errors import UserError
from dataengine.models.torch_checkpoint import read_checkpoint
from trainer.codec.dacvae import DacVae

if TYPE_CHECKING:
    from transformers import DacConfig

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
SAMPLE_RATE = 48_000
"""Of the published weights, in Hz: no tensor tells."""

_UNIT_LAYERS = ("snake1", "conv1", "snake2", "conv2")
_UNITS = ((1, 0, 4), (2, 1, 5), (3, 2, 8))
"""Number of a residual unit, and its place in a block of the package's encoder and decoder."""


def read_dacvae(place: Path, source: str) -> DacVae:
    """The codec in a folder or in a file of the package. Raises UserError, naming `source`, for anything else."""
    config, tensors = _in_folder(place, source) if place.is_dir() else _in_package_file(place, source)
    if any(rate % 2 for rate in config.downsampling_ratios):
        raise UserError(
            f"{source} goes down by {config.downsampling_ratios}; only even rates come back in full"
        )
    with torch.device("meta"):
        codec = DacVae(config)
    try:
        codec.load_state_dict({name: each.float() for name, each in tensors.items()}, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{source} holds no DAC-VAE: {reason}") from error
    return codec


def save_dacvae(codec: DacVae, config: DacConfig, folder: Path) -> None:
    """Write a codec as a folder that `read_dacvae` reads."""
    from safetensors.torch import save_file

    config.save_pretrained(folder)
    save_file(codec.state_dict(), folder / WEIGHTS_FILE)


def _in_folder(folder: Path, source: str) -> tuple[DacConfig, dict[str, Tensor]]:
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import DacConfig

    try:
        config = DacConfig.from_pretrained(folder, local_files_only=True)
        return config, load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, TypeError, StrictDataclassError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{source} cannot be read as a DAC-VAE: {reason}") from error


def _in_package_file(file: Path, source: str) -> tuple[DacConfig, dict[str, Tensor]]:
    from transformers import DacConfig

    stored = read_checkpoint(file, source)
    stored = stored.get("state_dict", stored)
    blocks = sum(re.fullmatch(r"encoder\.block\.\d+\.block\.4\.bias", name) is not None for name in stored)
    try:
        tensors = dict(_as_in_a_folder(stored, blocks))
    except KeyError as error:
        raise UserError(f"{source} is no DAC-VAE of the package dacvae: it has no {error}") from error
    downwards = [tensors[f"encoder.block.{number}.conv1.weight"] for number in range(blocks)]
    config = DacConfig(
        encoder_hidden_size=len(tensors["encoder.conv1.bias"]),
        decoder_hidden_size=len(tensors["decoder.conv1.bias"]),
        downsampling_ratios=[each.shape[-1] // 2 for each in downwards],  # kernels are two strides long
        codebook_dim=tensors["bottleneck.out_proj.weight"].shape[1],
        sampling_rate=SAMPLE_RATE,
    )
    return config, tensors


def _as_in_a_folder(stored: dict[str, Tensor], blocks: int) -> Iterator[tuple[str, Tensor]]:
    """The package's tensors as a folder has them. Raises KeyError for the first that is missing."""
    for ours, theirs in _module_names(blocks):
        if "snake" in ours:
            yield f"{ours}.alpha", stored[f"{theirs}.alpha"]
        else:
            direction, length = stored[f"{theirs}.weight_v"], stored[f"{theirs}.weight_g"]
            yield f"{ours}.weight", length * direction / direction.norm(dim=(1, 2), keepdim=True)
            yield f"{ours}.bias", stored[f"{theirs}.bias"]


def _module_names(blocks: int) -> Iterator[tuple[str, str]]:
    """Each module's name in a folder, and in the package."""
    yield "encoder.conv1", "encoder.block.0"
    yield "decoder.conv1", "decoder.model.0"
    for number in range(blocks):
        below, above = f"encoder.block.{number}", f"decoder.block.{number}"
        down, up = f"encoder.block.{number + 1}.block", f"decoder.model.{number + 1}.block"
        yield f"{below}.snake1", f"{down}.3"
        yield f"{below}.conv1", f"{down}.4"
        yield f"{above}.snake1", f"{up}.0"
        yield f"{above}.conv_t1", f"{up}.1"
        for (unit, lower, upper), (place, layer) in product(_UNITS, enumerate(_UNIT_LAYERS)):
            yield f"{below}.res_unit{unit}.{layer}", f"{down}.{lower}.block.{place}"
            yield f"{above}.res_unit{unit}.{layer}", f"{up}.{upper}.block.{place}"
    yield "encoder.snake1", f"encoder.block.{blocks + 1}"
    yield "encoder.conv2", f"encoder.block.{blocks + 2}"
    yield "bottleneck.in_proj", "quantizer.in_proj"
    yield "bottleneck.out_proj", "quantizer.out_proj"
    yield "decoder.snake1", "decoder.wm_model.encoder_block.pre.0"
    yield "decoder.conv2", "decoder.wm_model.encoder_block.pre.1"
