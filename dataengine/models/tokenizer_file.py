"""The tokenizer of a text model, from the files that stand beside its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataengine.errors import UserError

TOKENIZER_FILE = "tokenizer.json"
SPARE_ROWS = 128  # tables are filled up to a multiple of this: 32,100 tokens of t5-base, 32,128 rows


def read_tokenizer(folder: Path, rows: int, max_tokens: int, source: str) -> Any:
    """A tokenizer that cuts what is longer and pads nothing, for a model whose table has so many rows.

    Raises UserError if the two do not belong together.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokens = tokenizer.get_vocab_size()
    if not rows - SPARE_ROWS < tokens <= rows:
        raise UserError(
            f"the tokenizer of {source} has {tokens:,} tokens and the model {rows:,}: they do not belong together"
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def check_vocabulary(tokens: int, rows: int, source: str, model: str) -> None:
    """Raise UserError unless the tokenizer has a token for each row of the table of the `model`, such as `text tower`.

    A tokenizer whose files are missing comes back from transformers without complaint, with its special tokens.
    """
    if tokens != rows:
        raise UserError(
            f"the tokenizer of {source} has {tokens:,} tokens and the {model} {rows:,}: they do not belong together"
        )
