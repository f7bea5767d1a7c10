"""T5 (Raffel et al. 2020) as text encoder: one state a token, by transformers' `T5EncoderModel`.

The reference's separator reads `t5-base`: 768 numbers a token. It gives no vector for a whole text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.models.adapter import Runtime
from dataengine.models.libraries import Library
from dataengine.models.remembered import Remembered
from dataengine.models.roles import Matrix, ModelCard
from dataengine.models.tokenizer_file import TOKENIZER_FILE, read_tokenizer
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, start_torch
from dataengine.models.transformers_model import load_pretrained
from dataengine.models.weighted import Licence, WeightedAdapter

MAX_TOKENS = 512  # what T5 was trained with, and the reference's limit: longer texts are cut
REMEMBERED = 1_024  # texts whose states are kept, some 30 KB each


class T5Adapter(WeightedAdapter):
    """Options of the encoder."""

    role = "text_encoder"
    libraries = (Library("transformers", extra="separator"),)
    wanted = (("config.json",), ("model.safetensors", "pytorch_model.bin"), (TOKENIZER_FILE,))
    published = {
        f"google-t5/t5-{size}": Licence(name="Apache-2.0", commercial=True)
        for size in ("small", "base", "large", "3b", "11b")
    }

    precision: Precision = "float32"

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> T5:
        """See Adapter. Raises UserError for a tokenizer that is not the model's."""
        from transformers import T5EncoderModel

        folder = self.weight_sets()[0].place()
        inference = start_torch(runtime, self.precision)
        model = load_pretrained(T5EncoderModel, folder, self.weights).to(inference.device)
        tokenizer = read_tokenizer(folder, model.config.vocab_size, MAX_TOKENS, self.weights)
        return T5(card, model, tokenizer, inference)


class T5:
    """A TokenEncoder."""

    def __init__(self, card: ModelCard, model: Any, tokenizer: Any, inference: TorchInference) -> None:
        self.card = card
        self._model = model
        self._tokenizer = tokenizer
        self._inference = inference
        self._remembered: Remembered[str, Matrix] = Remembered(REMEMBERED)

    @property
    def width(self) -> int:
        """See TokenEncoder."""
        width: int = self._model.config.d_model
        return width

    def encode_tokens(self, texts: Sequence[str]) -> list[Matrix]:
        """See TokenEncoder; the mark of a text's end is its last token."""
        states = self._remembered.answers({text: text for text in texts}, self._states)
        return [states[text] for text in texts]

    def _states(self, texts: list[str]) -> list[Matrix]:
        """Each text alone: nothing is padded, and its bits do not depend on the others'."""
        return [self._state(encoding.ids) for encoding in self._tokenizer.encode_batch(texts)]

    def _state(self, tokens: list[int]) -> Matrix:
        import torch

        with self._inference():
            found = self._model(input_ids=torch.tensor([tokens], device=self._inference.device))
        return as_matrix(found.last_hidden_state[0])
