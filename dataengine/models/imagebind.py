"""ImageBind (Girdhar et al., CVPR 2023) as audio-visual scorer, by Meta's code as `imagebind-unofficial` packages it.

Pixels outside the mask are black, as the reference blanks pixels out of its videos (`mask_videos`), in pictures of
unchanged size. Of the network only the towers for audio and vision are built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.imagebind_clips import (
    AUDIO_CLIPS,
    CROPS,
    SAMPLE_RATE,
    VIDEO_CLIPS,
    audio_clips,
    imagebind_package,
    video_clips,
)
from dataengine.models.libraries import Library
from dataengine.models.roles import Frames, Matrix, ModelCard, Waveform
from dataengine.models.torch_checkpoint import read_checkpoint
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, start_torch
from dataengine.models.waveforms import distinct, resample
from dataengine.models.weighted import Licence, WeightedAdapter

NON_COMMERCIAL = Licence(name="CC-BY-NC-4.0", commercial=False)
TOWERS = ("audio", "vision")
HEADS = {"audio_num_heads": 12, "vision_num_heads": 16}
"""Of attention; the one thing about the published network that its weights do not tell."""
OTHER_TOWERS = {f"{name}_num_blocks": 0 for name in ("text", "depth", "thermal", "imu")}


class ImageBindAdapter(WeightedAdapter):
    """Options of the scorer."""

    role = "audio_visual_scorer"
    libraries = (Library("imagebind-unofficial", extra="imagebind"), Library("einops", extra="imagebind"))
    wanted = (("model.safetensors", "pytorch_model.bin", "imagebind_huge.pth"),)
    published = {"nielsr/imagebind-huge": NON_COMMERCIAL}

    precision: Precision = "float32"
    clips_per_call: int = Field(default=16, ge=1)
    """Clips of two seconds that are heard or seen together."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> ImageBind:
        """See Adapter. Raises UserError for weights of another network."""
        inference = start_torch(runtime, self.precision)
        (path,) = self.files()
        model = load_towers(path, self.weights).to(inference.device).eval()
        return ImageBind(card, model, inference, self.clips_per_call)


class ImageBind:
    """An AudioVisualScorer: the cosine of the mean of a waveform's clips and the mean of a video's.

    The means of unit vectors are normalised anew: they are shorter than 1, the more so the less the clips agree, and a
    threshold on their product would ask for agreement in time as well.
    """

    def __init__(self, card: ModelCard, model: Any, inference: TorchInference, clips_per_call: int) -> None:
        self.card = card
        self._model = model
        self._inference = inference
        self._clips_per_call = clips_per_call

    def score(
        self,
        waveforms: Sequence[Waveform],
        sample_rate: int,
        frames: Sequence[Frames],
        masks: Sequence[Frames | None],
        hop_seconds: float,
    ) -> Matrix:
        """See AudioVisualScorer."""
        heard, heard_at = distinct(waveforms)
        looks = [(id(seen), id(mask)) for seen, mask in zip(frames, masks, strict=True)]
        different = dict(zip(looks, zip(frames, masks, strict=True), strict=True))
        seen_at = {look: place for place, look in enumerate(different)}
        sounds = self._vectors(
            "audio",
            AUDIO_CLIPS,
            (clip for each in heard for clip in audio_clips(resample(each, sample_rate, SAMPLE_RATE))),
        )
        sights = self._vectors(
            "vision",
            VIDEO_CLIPS * CROPS,
            (clip for seen, mask in different.values() for clip in video_clips(seen, mask, hop_seconds)),
        )
        scores = [sounds[place] @ sights[seen_at[look]] for place, look in zip(heard_at, looks, strict=True)]
        return np.array(scores, dtype=np.float32)

    def _vectors(self, tower: str, clips_each: int, clips: Iterator[Matrix]) -> Matrix:
        """[inputs, dimensions], L2-normalised, of inputs that are so many clips each."""
        portions = iter(lambda: list(islice(clips, self._clips_per_call)), [])
        embedded = [vector for portion in portions for vector in self._embed(tower, portion)]
        means = np.stack(embedded).reshape(-1, clips_each, len(embedded[0])).mean(axis=1)
        vectors: Matrix = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors

    def _embed(self, tower: str, clips: Sequence[Matrix]) -> Matrix:
        """[clips, dimensions]; the network takes the mean over an axis, which has a single clip here."""
        with self._inference():
            found = self._model({tower: self._inference.to_device(np.stack(clips)[:, None])})
        return as_matrix(found[tower])


def load_towers(path: Path, source: str) -> Any:
    """The towers for audio and vision, of the size that the weights have. Raises UserError for other weights."""
    stored = _read(path, source)
    weights = {
        name: each.float() for name, each in stored.items() if any(f".{tower}." in name for tower in TOWERS)
    }
    network = imagebind_package().imagebind_model.ImageBindModel
    try:
        model = network(**_sizes(weights), **HEADS, **OTHER_TOWERS)
        for modules in model.children():
            for name in modules.keys() - TOWERS:
                del modules[name]
        model.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{source} cannot be loaded as ImageBind: {reason}") from error
    return model


def _read(path: Path, source: str) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return read_checkpoint(path, source)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(f"{source} cannot be read as safetensors: {error}") from error


def _sizes(weights: Mapping[str, Any]) -> dict[str, int]:
    """Widths and depths. Raises KeyError for weights of another network."""
    sizes = {"out_embed_dim": len(weights["modality_heads.vision.2.weight"])}
    for tower in TOWERS:
        sizes[f"{tower}_embed_dim"] = weights[f"modality_preprocessors.{tower}.cls_token"].shape[-1]
        blocks = f"modality_trunks.{tower}.blocks."
        sizes[f"{tower}_num_blocks"] = len(
            {name.removeprefix(blocks).split(".")[0] for name in weights if name.startswith(blocks)}
        )
    return sizes
