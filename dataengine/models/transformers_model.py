"""Loading a model of the transformers library from a folder, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataengine.errors import UserError
from dataengine.models.weights import WantedFiles

LANGUAGE_MODEL_FILES: WantedFiles = (
    ("config.json",),
    ("model.safetensors", "model.safetensors.index.json model-*.safetensors"),
    ("tokenizer.json", "vocab.json merges.txt"),
    ("tokenizer_config.json",),
    ("special_tokens_map.json", ""),
    ("added_tokens.json", ""),
    ("chat_template.jinja", "chat_template.json", ""),
    ("generation_config.json", ""),
)
"""What a model that writes text is made from, whole or in pieces."""


def load_pretrained(kind: Any, folder: Path, source: str, **options: Any) -> Any:
    """`kind.from_pretrained(folder)` with float32 weights unless `options` say otherwise; nothing is fetched.

    The library fills what a checkpoint lacks with random numbers, and says so in a log. Here that is a UserError, as
    are files that cannot be read.
    """
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options = {"dtype": torch.float32, **options}
    try:
        model, info = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{source} cannot be loaded as {kind.__name__}: {reason}") from error
    lacking = sorted(info["missing_keys"])
    if lacking:
        raise UserError(
            f"{source} is no complete {kind.__name__}: it lacks {len(lacking)} tensors, {lacking[0]} first"
        )
    return model.eval()
