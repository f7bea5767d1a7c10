"""Audio-language models as captioners, by the transformers library.

Which model it is stands in the checkpoint's configuration; all of them have a processor that turns text with a place
for audio, and the audio, into what the model takes. Of Qwen3-Omni the part that writes is built, not that which speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.captioning import PiecewiseCaptioner
from dataengine.models.greedy_decoding import GreedyDecoding
from dataengine.models.instructions import InstructedAdapter
from dataengine.models.libraries import Library
from dataengine.models.roles import ModelCard, Waveform
from dataengine.models.torch_inference import Precision, in_calls_of, start_torch
from dataengine.models.transformers_model import LANGUAGE_MODEL_FILES, load_pretrained
from dataengine.models.weighted import Licence, WeightedAdapter

APACHE = Licence(name="Apache-2.0", commercial=True)
MODELS = {
    "qwen2_audio": ("Qwen2AudioForConditionalGeneration", {}),
    "qwen3_omni_moe": ("Qwen3OmniMoeForConditionalGeneration", {"enable_audio_output": False}),
    "audioflamingo3": ("AudioFlamingo3ForConditionalGeneration", {}),
}
"""`model_type` in a checkpoint's configuration → class, and settings that it is built with."""


class AudioLanguageAdapter(InstructedAdapter, WeightedAdapter):
    """Options of the captioner."""

    role = "captioner"
    default_instruction = "describe.yaml"
    libraries = (Library("transformers", extra="audio-language"),)
    wanted = (
        *LANGUAGE_MODEL_FILES,
        (
            "processor_config.json preprocessor_config.json",
            "processor_config.json",
            "preprocessor_config.json",
        ),
        ("video_preprocessor_config.json", ""),
    )
    published = {
        "Qwen/Qwen2-Audio-7B-Instruct": APACHE,
        "Qwen/Qwen3-Omni-30B-A3B-Instruct": APACHE,
        "nvidia/audio-flamingo-3-hf": Licence(name="NVIDIA OneWay Noncommercial", commercial=False),
    }

    precision: Precision = "bfloat16"
    """Of the weights and everything computed with them."""
    max_tokens: int = Field(default=160, ge=1)
    """Longest caption of a piece of the recording; its rest is cut off."""
    waveforms_per_call: int = Field(default=1, ge=1)
    """Pieces of up to thirty seconds that are heard together: faster on a GPU, and a word hangs on the last bits."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> PiecewiseCaptioner:
        """See Adapter. Raises UserError for a model of another kind."""
        import torch
        import transformers

        folder = self.weight_sets()[0].place()
        inference = start_torch(
            runtime, "float32"
        )  # nothing is cast: the weights themselves have the precision
        kind = transformers.AutoConfig.from_pretrained(folder, local_files_only=True).model_type
        if kind not in MODELS:
            raise UserError(
                f"{self.weights} is a {kind}; the captioners that are known are {', '.join(MODELS)}"
            )
        name, settings = MODELS[kind]
        model = load_pretrained(
            getattr(transformers, name),
            folder,
            self.weights,
            dtype=getattr(torch, self.precision),
            **settings,
        )
        processor: Any = transformers.AutoProcessor
        processor = processor.from_pretrained(folder, local_files_only=True)
        writer = getattr(model, "thinker", model).to(inference.device)
        decoding = GreedyDecoding(writer, processor.tokenizer, inference, self.max_tokens)
        describing = _Describing(processor, decoding, self.told(), self.waveforms_per_call)
        return PiecewiseCaptioner(card, describing, processor.feature_extractor.sampling_rate)


class _Describing:
    """See captioning.Describe."""

    def __init__(self, processor: Any, decoding: GreedyDecoding, instruction: str, per_call: int) -> None:
        self._processor = processor
        self._decoding = decoding
        self._per_call = per_call
        content = [{"type": "audio", "audio": ""}, {"type": "text", "text": instruction}]
        self._asked: str = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )

    def __call__(self, pieces: Sequence[Waveform]) -> list[str]:
        return [said for some in in_calls_of(pieces, self._per_call) for said in self._describe(some)]

    def _describe(self, pieces: Sequence[Waveform]) -> list[str]:
        inputs = self._processor(
            text=[self._asked] * len(pieces),
            audio=list(pieces),
            # Only the text is filled up to the longest: how long audio is to be, each processor knows.
            text_kwargs={"padding": True, "padding_side": "left"},
            audio_kwargs={"sampling_rate": self._processor.feature_extractor.sampling_rate},
            return_tensors="pt",
        )
        return self._decoding(inputs)
