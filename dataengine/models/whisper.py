"""Whisper (Radford et al. 2023) as transcriber, by transformers' `WhisperForConditionalGeneration`.

It hears thirty seconds; what is longer is heard in pieces of that length, end to end. Words come one by one, each time
the likeliest: the same recording gives the same text. The language is the likeliest over all pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.libraries import Library
from dataengine.models.roles import Matrix, ModelCard, Transcript, Waveform
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, in_calls_of, start_torch
from dataengine.models.transformers_model import load_pretrained
from dataengine.models.waveforms import distinct, resample
from dataengine.models.weighted import Licence, WeightedAdapter

SAMPLE_RATE = 16_000
WINDOW = 30 * SAMPLE_RATE
ENGLISH = "en"
START = "<|startoftranscript|>"
APACHE, MIT = Licence(name="Apache-2.0", commercial=True), Licence(name="MIT", commercial=True)


class WhisperAdapter(WeightedAdapter):
    """Options of the transcriber."""

    role = "transcriber"
    libraries = (Library("transformers", extra="whisper"),)
    wanted = (
        ("config.json",),
        ("model.safetensors", "model.safetensors.index.json *.safetensors", "pytorch_model.bin"),
        ("generation_config.json",),
        ("preprocessor_config.json", "processor_config.json"),
        ("tokenizer.json", "vocab.json merges.txt"),
        ("tokenizer_config.json",),
        ("added_tokens.json", ""),
        ("special_tokens_map.json", ""),
    )
    published = {
        **{
            f"openai/whisper-{size}": APACHE
            for size in ("tiny", "base", "small", "medium", "large", "large-v2", "large-v3")
        },
        "openai/whisper-large-v3-turbo": MIT,
    }

    precision: Precision = "float32"
    windows_per_call: int = Field(default=1, ge=1)
    """Pieces of thirty seconds that are heard together. With more, what else is heard may tip a word."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> Whisper:
        """See Adapter. Raises UserError for weights or a tokenizer of another model."""
        from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

        folder = self.weight_sets()[0].place()
        inference = start_torch(runtime, self.precision)
        hearing = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = load_pretrained(WhisperForConditionalGeneration, folder, self.weights).to(inference.device)
        begin = model.generation_config.decoder_start_token_id
        if tokenizer.convert_tokens_to_ids(START) != begin:
            raise UserError(f"the tokenizer of {self.weights} and its model do not belong together")
        return Whisper(card, model, hearing, tokenizer, inference, self.windows_per_call)


class Whisper:
    """A Transcriber."""

    def __init__(
        self,
        card: ModelCard,
        model: Any,
        hearing: Any,
        tokenizer: Any,
        inference: TorchInference,
        windows_per_call: int,
    ) -> None:
        self.card = card
        self._model = model
        self._hearing = hearing
        self._tokenizer = tokenizer
        self._inference = inference
        self._windows_per_call = windows_per_call
        known: dict[str, int] = getattr(model.generation_config, "lang_to_id", None) or {}
        self._languages = {name.strip("<|>"): token for name, token in known.items()}

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Transcript]:
        """See Transcriber; a waveform without samples is heard as silence."""
        different, places = distinct(waveforms)
        heard = [_windows(resample(each, sample_rate, SAMPLE_RATE)) for each in different]
        together = [window for windows in heard for window in windows]
        ends = np.cumsum([len(windows) for windows in heard])
        stretches = [slice(end - len(windows), end) for end, windows in zip(ends, heard, strict=True)]
        languages = self._likeliest(together, stretches)
        of_windows = [language for language, each in zip(languages, heard, strict=True) for _ in each]
        texts: list[str] = []
        for some in in_calls_of(list(zip(together, of_windows, strict=True)), self._windows_per_call):
            texts += self._write([window for window, _ in some], [language for _, language in some])
        transcripts = [
            Transcript(" ".join(filter(None, texts[stretch])), language)
            for stretch, language in zip(stretches, languages, strict=True)
        ]
        return [transcripts[place] for place in places]

    def _likeliest(self, windows: Sequence[Waveform], stretches: Sequence[slice]) -> list[str]:
        """The language of each stretch of windows; a model that knows but one has not to guess."""
        if not self._languages or not windows:
            return [ENGLISH] * len(stretches)
        calls = in_calls_of(windows, self._windows_per_call)
        probabilities = np.concatenate([self._probabilities(some) for some in calls])
        names = list(self._languages)
        return [names[int(probabilities[stretch].mean(axis=0).argmax())] for stretch in stretches]

    def _probabilities(self, windows: Sequence[Waveform]) -> Matrix:
        """[windows, languages], by the token that the model would begin a transcript with."""
        import torch

        features = self._features(windows)
        begin = torch.full((len(windows), 1), self._model.generation_config.decoder_start_token_id)
        with self._inference():
            answers = self._model(features, decoder_input_ids=begin.to(features.device)).logits[:, -1]
            return as_matrix(answers[:, list(self._languages.values())].float().softmax(dim=-1))

    def _write(self, windows: Sequence[Waveform], languages: Sequence[str]) -> list[str]:
        features = self._features(windows)
        asked = {"language": list(languages), "task": "transcribe"} if self._languages else {}
        with self._inference():
            tokens = self._model.generate(features, do_sample=False, num_beams=1, **asked)
        texts: list[str] = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _features(self, windows: Sequence[Waveform]) -> Any:
        heard = self._hearing(list(windows), sampling_rate=SAMPLE_RATE, return_tensors="pt")
        return heard["input_features"].to(self._inference.device)


def _windows(waveform: Waveform) -> list[Waveform]:
    """At least one."""
    starts = range(0, max(len(waveform), 1), WINDOW)
    return [waveform[start : start + WINDOW] for start in starts]
