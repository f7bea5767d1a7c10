"""Perception Encoder (Bolya et al. 2025) as frame encoder, by the package timm.

The reference's separator reads a vector a frame of PE-Core-L14-336, 1024-d: a picture is squeezed to a square of 336
pixels, whatever its shape, and the projection of its pooled patches is normalised to length 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.libraries import Library
from dataengine.models.roles import Frames, Matrix, ModelCard
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, start_torch
from dataengine.models.weighted import Licence, WeightedAdapter

FAMILY = "vit_pe_core_"


class PerceptionEncoderAdapter(WeightedAdapter):
    """Options of the encoder."""

    role = "frame_encoder"
    libraries = (Library("timm", extra="perception-encoder"),)
    wanted = (("config.json",), ("model.safetensors",))
    published = {
        f"timm/{FAMILY}{size}.fb": Licence(name="Apache-2.0", commercial=True)
        for size in ("base_patch16_224", "large_patch14_336", "gigantic_patch14_448")
    }

    precision: Precision = "float32"
    frames_per_call: int = Field(default=16, ge=1)
    """Frames that are looked at together."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> PerceptionEncoder:
        """See Adapter. Raises UserError for another network, or weights that are none."""
        inference = start_torch(runtime, self.precision)
        model = _network(self.weight_sets()[0].place(), self.weights).to(inference.device)
        return PerceptionEncoder(card, model, inference, self.frames_per_call)


class PerceptionEncoder:
    """A FrameEncoder."""

    def __init__(self, card: ModelCard, model: Any, inference: TorchInference, frames_per_call: int) -> None:
        self.card = card
        self._model = model
        self._inference = inference
        self._frames_per_call = frames_per_call
        self.width: int = model.num_classes
        self._side: int = model.patch_embed.img_size[0]

    def encode_frames(self, clips: Sequence[Frames]) -> list[Matrix]:
        """See FrameEncoder."""
        return [self._encode(clip) for clip in clips]

    def _encode(self, clip: Frames) -> Matrix:
        count = self._frames_per_call
        found = [self._vectors(clip[start : start + count]) for start in range(0, len(clip), count)]
        return np.concatenate([np.zeros((0, self.width), np.float32), *found])

    def _vectors(self, frames: Frames) -> Matrix:
        from torch.nn import functional

        pictures = self._inference.to_device(frames).permute(0, 3, 1, 2).float()
        squeezed = functional.interpolate(pictures, (self._side, self._side), mode="bicubic", antialias=True)
        with self._inference():
            found = self._model(squeezed.round().clamp(0, 255) / 127.5 - 1)
        return as_matrix(functional.normalize(found.float(), dim=-1))


def _network(folder: Path, source: str) -> Any:
    """The network in a folder that timm wrote: config.json names it."""
    import timm
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        architecture = str(config.get("architecture"))
        if not architecture.startswith(FAMILY):
            raise UserError(f"{source} is {architecture}, and no Perception Encoder")
        model = timm.create_model(architecture, num_classes=config["num_classes"])
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{source} cannot be loaded as a Perception Encoder: {reason}") from error
    return model.eval()
