"""PE-A-Frame (Perception Encoder, audio) as span predictor, by transformers' `PeAudioFrameLevelModel`.

A text is one vector and a recording one each 40 ms; sigmoid(scale · product + bias) is the probability that the text is
heard there. The reference's separator takes what lies above 0.3 for a span prompt, where it is asked to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from dataengine.models.adapter import Runtime
from dataengine.models.libraries import Library
from dataengine.models.roles import Matrix, ModelCard, Spans, Waveform
from dataengine.models.span_frames import spans_of_frames
from dataengine.models.tokenizer_file import TOKENIZER_FILE, read_tokenizer
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, start_torch
from dataengine.models.transformers_model import load_pretrained
from dataengine.models.waveforms import distinct, resample
from dataengine.models.weighted import Licence, WeightedAdapter

SAMPLE_RATE = 48_000
MAX_TOKENS = 512


class PeFramesAdapter(WeightedAdapter):
    """Options of the predictor."""

    role = "span_predictor"
    libraries = (Library("transformers", extra="separator"),)
    wanted = (
        ("config.json",),
        ("model.safetensors", "model.safetensors.index.json model-*.safetensors"),
        (TOKENIZER_FILE,),
    )
    published = {
        f"facebook/pe-a-frame-{size}": Licence(name="Apache-2.0", commercial=True)
        for size in ("small", "base", "large")
    }

    precision: Precision = "float32"
    threshold: float = Field(default=0.3, ge=0, lt=1)
    """Probability above which a frame is in a span; the released code's."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> PeFrames:
        """See Adapter. Raises UserError for a tokenizer that is not the model's."""
        from transformers import PeAudioFrameLevelModel

        folder = self.weight_sets()[0].place()
        inference = start_torch(runtime, self.precision)
        model = load_pretrained(PeAudioFrameLevelModel, folder, self.weights).to(inference.device)
        tokenizer = read_tokenizer(folder, model.config.text_config.vocab_size, MAX_TOKENS, self.weights)
        return PeFrames(card, model, tokenizer, inference, self.threshold)


class PeFrames:
    """A SpanPredictor."""

    def __init__(
        self, card: ModelCard, model: Any, tokenizer: Any, inference: TorchInference, threshold: float
    ) -> None:
        self.card = card
        self._model = model
        self._tokenizer = tokenizer
        self._inference = inference
        self._threshold = threshold
        self._hop = model.config.audio_config.dac_config.hop_length

    def predict(self, texts: Sequence[str], waveforms: Sequence[Waveform], sample_rate: int) -> list[Spans]:
        """See SpanPredictor; a recording is heard as a whole, in memory that grows with it."""
        different, places = distinct(waveforms)
        heard = [self._frames(resample(each, sample_rate, SAMPLE_RATE)) for each in different]
        named = {text: self._text(text) for text in dict.fromkeys(texts)}
        return [
            self._spans(heard[place] @ named[text], len(waveform) / sample_rate)
            for text, place, waveform in zip(texts, places, waveforms, strict=True)
        ]

    def _spans(self, products: Matrix, seconds: float) -> Spans:
        scale, bias = self._model.text_audio_logit_scale.item(), self._model.text_audio_logit_bias.item()
        probabilities = 1 / (1 + np.exp(-(scale * products.astype(np.float64) + bias)))
        hop = self._hop / SAMPLE_RATE
        return spans_of_frames(probabilities > self._threshold, hop, hop, seconds)

    def _frames(self, waveform: Waveform) -> Matrix:
        """[frames, width]; a waveform is mirrored at its end until it fills the last frame."""
        missing = -len(waveform) % self._hop if len(waveform) else self._hop
        filled = np.pad(waveform, (0, missing), "reflect" if len(waveform) else "constant")
        with self._inference():
            found = self._model.get_audio_embeds(self._inference.to_device(filled)[None, None])
        return as_matrix(found[0])

    def _text(self, text: str) -> Matrix:
        """[width]"""
        import torch

        tokens = torch.tensor([self._tokenizer.encode(text).ids], device=self._inference.device)
        with self._inference():
            states = self._model.text_model(input_ids=tokens, output_hidden_states=True).hidden_states[-1]
            found = self._model.text_audio_head(states[:, 0])
        return as_matrix(found[0])
