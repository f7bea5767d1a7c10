"""SAM Audio as separator: anything that a text or spans ask for, by Meta's package `sam_audio` (Shi et al., 2025).

The package is on no registry, so this file was written by its public documentation and has never been run with it.
Its rankers and its predictor of spans, which it would fetch, are left out: `best_of` ranks candidates, and spans come
with the prompt. It generates both stems: their sum is near the mixture, not equal to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.libraries import Library
from dataengine.models.long_mixtures import InWindows
from dataengine.models.roles import Matrix, ModelCard, Prompt, Stems, Waveform
from dataengine.models.torch_checkpoint import read_checkpoint
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, start_torch
from dataengine.models.waveforms import fitted, resample
from dataengine.models.weighted import Licence, WeightedAdapter
from dataengine.models.weights import Weights

CONFIG_FILE, CHECKPOINT_FILE = "config.json", "checkpoint.pt"
LEFT_OUT = ("visual_ranker", "text_ranker", "span_predictor")
"""Parts of the package's model that it would fetch weights for, each of which may be None in its configuration."""


class SamAudioAdapter(WeightedAdapter):
    """Options of the separator."""

    role = "separator"
    prompts = frozenset({"text", "spans"})
    libraries = (Library("sam_audio", url="git+https://github.com/facebookresearch/sam-audio"),)
    wanted = ((CONFIG_FILE,), (CHECKPOINT_FILE,))
    published = {
        **{
            f"facebook/sam-audio-{size}": Licence(name="SAM License", commercial=True)
            for size in ("small", "base", "large", "small-tv", "base-tv", "large-tv")
        },
        "google-t5/t5-base": Licence(name="Apache-2.0", commercial=True),
    }
    not_deciding = WeightedAdapter.not_deciding | {"text_encoder"}

    text_encoder: str = "hf://google-t5/t5-base"
    """Its weights are not in the checkpoint; the package would fetch them."""
    precision: Precision = "float32"
    window_seconds: float = Field(default=20.0, gt=0)
    """What is longer is heard in windows …"""
    overlap_seconds: float = Field(default=5.0, ge=0)
    """… that overlap by so much, as in the reference."""

    @field_validator("text_encoder")
    @classmethod
    def _says_where_the_text_encoder_is(cls, reference: str) -> str:
        return cls._says_where(reference)

    def weight_sets(self) -> tuple[Weights, ...]:
        """See Adapter."""
        files = (("config.json",), ("model.safetensors", "pytorch_model.bin"), ("tokenizer.json",))
        return (*super().weight_sets(), Weights(self.text_encoder, files))

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> InWindows:
        """See Adapter. Raises UserError for weights that are no SAM Audio."""
        from sam_audio import SAMAudioProcessor

        folder, text_encoder = (each.place() for each in self.weight_sets())
        inference = start_torch(runtime, self.precision)
        model = _read_model(folder, text_encoder, self.weights).to(inference.device).eval()
        separator = SamAudio(card, model, SAMAudioProcessor.from_pretrained(str(folder)), inference)
        return InWindows(separator, self.window_seconds, self.overlap_seconds)


class SamAudio:
    """A Separator. It hears one mixture at a time, for in a batch their lengths would matter to each other."""

    def __init__(self, card: ModelCard, model: Any, processor: Any, inference: TorchInference) -> None:
        self.card = card
        self._model = model
        self._processor = processor
        self._inference = inference

    def separate(
        self, mixtures: Sequence[Waveform], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        """See Separator."""
        return [
            self._separate(mixture, prompt, sample_rate)
            for mixture, prompt in zip(mixtures, prompts, strict=True)
        ]

    def _separate(self, mixture: Waveform, prompt: Prompt, sample_rate: int) -> Stems:
        own = self._processor.audio_sampling_rate
        heard = resample(mixture, sample_rate, own)
        if not len(heard):
            return Stems(np.zeros_like(mixture), mixture)
        target, residual = (
            fitted(resample(each, own, sample_rate), len(mixture)) for each in self._hear(heard, prompt)
        )
        return Stems(target, residual)

    def _hear(self, mixture: Waveform, prompt: Prompt) -> Matrix:
        """[target and residual, samples], at least as many as the mixture has; both at the processor's rate."""
        import torch

        device = self._inference.device
        batch = self._processor(
            descriptions=[(prompt.text or "").lower()],  # it was trained with lower-case phrases
            audios=[torch.tensor(mixture)[None]],
            anchors=[[["+", start, end] for start, end in prompt.spans]] if prompt.spans else None,
        ).to(device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []), self._inference():
            torch.manual_seed(prompt.seed)  # of the noise that the flow starts from
            found = self._model.separate(batch)
            return as_matrix(torch.stack([found.target[0], found.residual[0]]))


def _read_model(folder: Path, text_encoder: Path, source: str) -> Any:
    """The package's network with a checkpoint's weights; nothing is fetched."""
    from sam_audio import SAMAudio
    from sam_audio.model.config import SAMAudioConfig

    stored = read_checkpoint(folder / CHECKPOINT_FILE, source)
    weights = {name: each for name, each in stored.items() if not name.startswith(LEFT_OUT)}
    try:
        settings = json.loads((folder / CONFIG_FILE).read_text())
        settings |= dict.fromkeys(LEFT_OUT)
        settings["text_encoder"] = {**(settings.get("text_encoder") or {}), "name": str(text_encoder)}
        model = SAMAudio(SAMAudioConfig(**settings))
        model.load_state_dict(weights)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{source} cannot be loaded as SAM Audio: {reason}") from error
    return model
