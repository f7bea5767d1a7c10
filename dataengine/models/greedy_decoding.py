"""Text from a language model of the transformers library, always the likeliest next token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataengine.models.torch_inference import TorchInference


@dataclass(frozen=True)
class GreedyDecoding:
    """A model with its tokenizer."""

    model: Any
    tokenizer: Any
    inference: TorchInference
    max_tokens: int

    def __call__(self, inputs: Any) -> list[str]:
        """What follows each row of `inputs`, which the processor or tokenizer made and filled up on the left."""
        import torch

        device, kind = self.inference.device, self.model.dtype
        moved = {
            name: tensor.to(device, kind) if torch.is_floating_point(tensor) else tensor.to(device)
            for name, tensor in inputs.items()
        }
        with self.inference():
            tokens = self.model.generate(
                **moved,
                do_sample=False,
                max_new_tokens=self.max_tokens,
                eos_token_id=self._ends(),
                pad_token_id=self.tokenizer.pad_token_id,
            )
        answers = tokens[:, inputs["input_ids"].shape[1] :]
        decoded: list[str] = self.tokenizer.batch_decode(answers, skip_special_tokens=True)
        return decoded

    def _ends(self) -> list[int]:
        """Tokens that end an answer: those that the checkpoint names, and that with which its template ends a turn."""
        named = self.model.generation_config.eos_token_id
        ends = {self.tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])}
        return sorted(each for each in ends if each is not None)
