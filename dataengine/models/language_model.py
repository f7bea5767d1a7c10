"""A chat model as phrase extractor, by the transformers library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.greedy_decoding import GreedyDecoding
from dataengine.models.instructions import InstructedAdapter
from dataengine.models.libraries import Library
from dataengine.models.phrase_answers import AskedPhraseExtractor, Conversation
from dataengine.models.roles import ModelCard
from dataengine.models.torch_inference import Precision, in_calls_of, start_torch
from dataengine.models.transformers_model import LANGUAGE_MODEL_FILES, load_pretrained
from dataengine.models.weighted import Licence, WeightedAdapter

APACHE = Licence(name="Apache-2.0", commercial=True)


class LanguageModelAdapter(InstructedAdapter, WeightedAdapter):
    """Options of the phrase extractor."""

    role = "phrase_extractor"
    default_instruction = "extract_phrases.yaml"
    libraries = (Library("transformers", extra="language-model"),)
    wanted = LANGUAGE_MODEL_FILES
    published = {f"Qwen/{name}": APACHE for name in ("Qwen2.5-7B-Instruct", "Qwen3-4B", "Qwen3-8B")}

    precision: Precision = "bfloat16"
    """Of the weights and everything computed with them."""
    max_tokens: int = Field(default=512, ge=1)
    """Longest answer."""
    captions_per_call: int = Field(default=1, ge=1)
    """Captions that are read together: faster on a GPU, and a word hangs on the last bits."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> AskedPhraseExtractor:
        """See Adapter. Raises UserError for a model that is not made for conversations."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = self.weight_sets()[0].place()
        inference = start_torch(
            runtime, "float32"
        )  # nothing is cast: the weights themselves have the precision
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
        if tokenizer.chat_template is None:
            raise UserError(
                f"{self.weights} has no chat template; name a model that is made for conversations"
            )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        model = load_pretrained(
            AutoModelForCausalLM, folder, self.weights, dtype=getattr(torch, self.precision)
        ).to(inference.device)
        decoding = GreedyDecoding(model, tokenizer, inference, self.max_tokens)
        return AskedPhraseExtractor(card, _Chatting(decoding, self.captions_per_call), self.told())


class _Chatting:
    """See phrase_answers.Chat."""

    def __init__(self, decoding: GreedyDecoding, per_call: int) -> None:
        self._decoding = decoding
        self._per_call = per_call

    def __call__(self, conversations: Sequence[Conversation]) -> list[str]:
        return [said for some in in_calls_of(conversations, self._per_call) for said in self._answer(some)]

    def _answer(self, conversations: Sequence[Conversation]) -> list[str]:
        inputs = self._decoding.tokenizer.apply_chat_template(
            list(conversations),
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
            enable_thinking=False,  # what templates of models that may think first look for; others do not
        )
        return self._decoding(inputs)
