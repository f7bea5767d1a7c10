"""CLAP as text–audio scorer, by LAION's own package and checkpoints.

The package fetches things from the network where one would not expect it: three tokenizers when it is imported, a
tokenizer and a text tower when a model is built (whose weights the checkpoint then replaces). Here it gets the one
tokenizer and the shape of the one text tower that are needed from a folder, and nothing else. It would also unpickle
any object in a checkpoint; here only tensors and plain numbers are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from pydantic import Field, field_validator

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.clap_scorer import MAX_TOKENS, ClapScorer
from dataengine.models.libraries import Library
from dataengine.models.roles import Matrix, ModelCard, Waveform
from dataengine.models.tokenizer_file import check_vocabulary
from dataengine.models.torch_checkpoint import read_checkpoint
from dataengine.models.torch_inference import Precision, TorchInference, as_matrix, start_torch
from dataengine.models.weighted import Licence, WeightedAdapter
from dataengine.models.weights import Weights

TEXT_TOWER_FILES = (
    ("config.json",),
    ("tokenizer.json", "vocab.json merges.txt"),
    ("tokenizer_config.json", ""),
)


class LaionClapAdapter(WeightedAdapter):
    """Options of the scorer."""

    role = "text_audio_scorer"
    libraries = (Library("laion-clap", extra="laion-clap"), Library("torchvision", extra="laion-clap"))
    wanted = ()
    published = {
        "lukewys/laion_clap": Licence(name="CC0-1.0", commercial=True),
        "FacebookAI/roberta-base": Licence(name="MIT", commercial=True),
    }
    not_deciding = WeightedAdapter.not_deciding | {"text_tower"}

    text_tower: str = "hf://FacebookAI/roberta-base"
    """Where the tokenizer and the shape of the text tower come from; its weights are in the checkpoint."""
    audio_tower: Literal["HTSAT-tiny", "HTSAT-base", "HTSAT-large", "PANN-14"] = "HTSAT-tiny"
    """Which network the checkpoint holds for audio."""
    precision: Precision = "float32"
    windows_per_call: int = Field(default=16, ge=1)
    """Windows of ten seconds that are heard together."""

    @field_validator("text_tower")
    @classmethod
    def _says_where_the_text_tower_is(cls, reference: str) -> str:
        return cls._says_where(reference)

    def weight_sets(self) -> tuple[Weights, ...]:
        """See WeightedAdapter."""
        return (*super().weight_sets(), Weights(self.text_tower, TEXT_TOWER_FILES))

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> ClapScorer:
        """See Adapter. Raises UserError for a checkpoint of another network."""
        checkpoint, text_tower = (each.place() for each in self.weight_sets())
        inference = start_torch(runtime, self.precision)
        module = build_module(self.audio_tower, text_tower, inference)
        rows = module.model.text_branch.config.vocab_size
        check_vocabulary(len(module.tokenize), rows, self.text_tower, "text tower")
        load_checkpoint(module, checkpoint, self.weights, self.audio_tower)
        return ClapScorer(card, LaionClap(module, inference), self.windows_per_call)


class LaionClap:
    """See ClapTowers."""

    def __init__(self, module: Any, inference: TorchInference) -> None:
        self._module = module
        self._inference = inference

    def embed_texts(self, texts: Sequence[str]) -> Matrix:
        """See ClapTowers."""
        with self._inference():
            return as_matrix(
                self._module.get_text_embedding(list(texts), tokenizer=self._tokens, use_tensor=True)
            )

    def embed_windows(self, windows: Sequence[Waveform]) -> Matrix:
        """See ClapTowers; samples are not rounded to 16 bits, as the package does with arrays."""
        import torch

        tensors = [torch.tensor(window) for window in windows]
        with self._inference():
            return as_matrix(self._module.get_audio_embedding_from_data(tensors, use_tensor=True))

    def _tokens(self, texts: list[str]) -> Any:
        """As the package does, with no more padding than the texts need."""
        return self._module.tokenize(
            texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )


def build_module(audio_tower: str, text_tower: Path, inference: TorchInference) -> Any:
    """The package's `CLAP_Module` on the inference's device, with random weights."""
    with _nothing_fetched(text_tower):
        import laion_clap

        return laion_clap.CLAP_Module(device=inference.device, amodel=audio_tower)


def load_checkpoint(module: Any, path: Path, source: str, audio_tower: str) -> None:
    """Put a checkpoint's weights into the module. Raises UserError if they are those of another network."""
    stored = read_checkpoint(path, source)
    weights = {name.removeprefix("module."): each for name, each in stored.get("state_dict", stored).items()}
    weights.pop("text_branch.embeddings.position_ids", None)  # transformers no longer stores them
    try:
        module.model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{source} is no unfused CLAP with the audio tower {audio_tower}: {reason}"
        ) from error
    module.model.eval()


@contextmanager
def _nothing_fetched(text_tower: Path) -> Iterator[None]:
    """Have transformers' `from_pretrained` answer the package's requests from a folder."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(text_tower, local_files_only=True)
    shape = transformers.AutoConfig.from_pretrained(text_tower, local_files_only=True)
    answers: dict[type, Any] = {
        transformers.BertTokenizer: lambda *_: None,
        transformers.BartTokenizer: lambda *_: None,
        transformers.RobertaTokenizer: lambda *_: tokenizer,
        transformers.RobertaModel: lambda *_: transformers.RobertaModel(shape),
    }
    with ExitStack() as stack:
        for kind, answer in answers.items():
            stack.enter_context(patch.object(kind, "from_pretrained", answer))
        yield
