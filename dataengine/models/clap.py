"""CLAP as text–audio scorer, by transformers' `ClapModel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.clap_scorer import MAX_TOKENS, SAMPLE_RATE, WINDOW, ClapScorer
from dataengine.models.libraries import Library
from dataengine.models.roles import Matrix, ModelCard, Waveform
from dataengine.models.tokenizer_file import check_vocabulary
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, start_torch
from dataengine.models.transformers_model import load_pretrained
from dataengine.models.weighted import Licence, WeightedAdapter

APACHE = Licence(name="Apache-2.0", commercial=True)


class ClapAdapter(WeightedAdapter):
    """Options of the scorer."""

    role = "text_audio_scorer"
    libraries = (Library("transformers", extra="clap"),)
    wanted = (
        ("config.json",),
        ("model.safetensors", "pytorch_model.bin"),
        ("processor_config.json", "preprocessor_config.json"),
        ("tokenizer.json", "vocab.json merges.txt"),
        ("tokenizer_config.json", ""),
        ("special_tokens_map.json", ""),
    )
    published = {
        f"laion/{name}": APACHE
        for name in (
            "clap-htsat-unfused",
            "larger_clap_general",
            "larger_clap_music",
            "larger_clap_music_and_speech",
        )
    }

    precision: Precision = "float32"
    windows_per_call: int = Field(default=16, ge=1)
    """Windows of ten seconds that are heard together."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> ClapScorer:
        """See Adapter. Raises UserError for a CLAP that hears otherwise than in windows of ten seconds."""
        folder = self.weight_sets()[0].place()
        return ClapScorer(
            card, load_towers(folder, self.weights, runtime, self.precision), self.windows_per_call
        )


class TransformersClap:
    """See ClapTowers."""

    def __init__(self, model: Any, tokenizer: Any, hearing: Any, inference: TorchInference) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._hearing = hearing
        self._inference = inference

    def embed_texts(self, texts: Sequence[str]) -> Matrix:
        """See ClapTowers."""
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        with self._inference():
            found = self._model.get_text_features(**tokens.to(self._inference.device))
        return as_matrix(found.pooler_output)

    def embed_windows(self, windows: Sequence[Waveform]) -> Matrix:
        """See ClapTowers."""
        heard = self._hearing(list(windows), sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with self._inference():
            found = self._model.get_audio_features(heard["input_features"].to(self._inference.device))
        return as_matrix(found.pooler_output)


def load_towers(folder: Path, source: str, runtime: Runtime, precision: Precision) -> TransformersClap:
    """The networks in a folder that `save_pretrained` wrote; nothing is fetched."""
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    inference = start_torch(runtime, precision)
    hearing: Any = ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
    if hearing.truncation == "fusion":
        raise UserError(
            f"{source} fuses random crops of what is longer than ten seconds, so its scores do not repeat; "
            "name an unfused CLAP, such as hf://laion/clap-htsat-unfused"
        )
    if (hearing.sampling_rate, hearing.nb_max_samples) != (SAMPLE_RATE, WINDOW):
        raise UserError(f"{source} does not hear ten seconds at 48 kHz, as every published CLAP does")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = load_pretrained(ClapModel, folder, source).to(inference.device)
    check_vocabulary(len(tokenizer), model.config.text_config.vocab_size, source, "text tower")
    return TransformersClap(model, tokenizer, hearing, inference)
