"""CLAPs with random weights: the real networks but for a short text tower, saved by the libraries' own means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

TEXTS = (
    "a dog is barking",
    "woman speaking",
    "piano playing",
    "rain on a roof",
    "an engine that will not start",
)
SPECIAL = {"<s>": "bos", "<pad>": "pad", "</s>": "eos", "<unk>": "unk", "<mask>": "mask"}


class Claps(NamedTuple):
    """The same random weights in every form."""

    module: Any
    """The package's own module, built and loaded by the package's own means."""
    checkpoint: Path
    text_tower: Path
    folder: Path


def write_claps(home: Path) -> Claps:
    """Build the package's module and write its weights for both libraries."""
    import torch

    text_tower = write_text_tower(home / "roberta-base")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)  # where the package finds "roberta-base" before it asks the hub
        import laion_clap

        torch.manual_seed(0)
        module = laion_clap.CLAP_Module(enable_fusion=False, amodel="HTSAT-tiny", device="cpu")
    checkpoint = write_laion_checkpoint(module, home / "random.pt")
    module.load_ckpt(str(checkpoint), verbose=False)
    return Claps(module, checkpoint, text_tower, write_transformers_folder(module, text_tower, home / "hf"))


def write_text_tower(folder: Path) -> Path:
    """What `roberta-base` holds, small: a byte-level vocabulary of real words and two layers."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    folder.mkdir(parents=True)
    vocabulary = ByteLevelBPETokenizer()
    vocabulary.train_from_iterator(
        TEXTS * 3, vocab_size=400, special_tokens=list(SPECIAL), show_progress=False
    )
    vocabulary.save_model(str(folder))
    tokenizer = RobertaTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    shape = RobertaConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=2,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    RobertaModel(shape).save_pretrained(folder)
    return folder


def write_laion_checkpoint(module: Any, path: Path) -> Path:
    """A checkpoint as LAION's training script leaves it, numbers of NumPy's beside the weights."""
    import torch

    state = {f"module.{name}": tensor for name, tensor in module.model.state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    torch.save({"epoch": 3, "name": "random", "best": np.float64(0.5), "state_dict": state}, path)
    return path


def write_transformers_folder(module: Any, text_tower: Path, folder: Path) -> Path:
    """The same weights as transformers' `ClapModel`, with its processor, by `save_pretrained`."""
    from transformers import (
        ClapAudioConfig,
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapProcessor,
        ClapTextConfig,
        RobertaTokenizer,
    )

    tokenizer = RobertaTokenizer.from_pretrained(text_tower)
    text = ClapTextConfig(vocab_size=len(tokenizer), num_hidden_layers=2, layer_norm_eps=1e-5)
    shape = ClapConfig(text_config=text.to_dict(), audio_config=ClapAudioConfig().to_dict())
    model = ClapModel(shape)
    renamed = dict(each for item in module.model.state_dict().items() for each in _as_in_transformers(*item))
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert not unexpected
    assert all(re.search(r"(position_ids|token_type_ids)$", name) for name in missing)
    model.save_pretrained(folder)
    hearing = ClapFeatureExtractor(
        frequency_min=50, frequency_max=14_000, truncation="rand_trunc", padding="repeatpad"
    )
    ClapProcessor(feature_extractor=hearing, tokenizer=tokenizer).save_pretrained(folder)
    return folder


RENAMED = (
    (r"^text_branch\.", "text_model."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"\.bn0\.", ".batch_norm."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.", ".attention.self."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"_projection\.0\.", "_projection.linear1."),
    (r"_projection\.2\.", "_projection.linear2."),
)
LEFT_OUT = re.compile(r"spectrogram_extractor|logmel_extractor|tscam_conv|\.head\.|attn_mask|_transform\.")


def _as_in_transformers(name: str, tensor: Any) -> Iterable[tuple[str, Any]]:
    if LEFT_OUT.search(name):
        return
    for pattern, name_there in RENAMED:
        name = re.sub(pattern, name_there, name)
    if ".qkv." not in name:
        yield name, tensor
        return
    for part, share in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
        yield name.replace("qkv", part), share
