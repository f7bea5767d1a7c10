"""A T5 encoder with random weights: of the width of `t5-base`, but two layers and a short vocabulary of real words."""

from __future__ import annotations

from pathlib import Path

from clap_checkpoints import TEXTS

WIDTH = 768
SPARE_ROWS = 128


def write_t5_folder(folder: Path, width: int = WIDTH) -> Path:
    """A folder as on the hub."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import Unigram
    from tokenizers.pre_tokenizers import Metaspace
    from tokenizers.trainers import UnigramTrainer
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    words = Tokenizer(Unigram())
    words.pre_tokenizer = Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    words.train_from_iterator(
        TEXTS * 3,
        UnigramTrainer(vocab_size=60, special_tokens=special, unk_token="<unk>", show_progress=False),
    )
    ranked = sorted(words.get_vocab().items(), key=lambda item: item[1])
    tokenizer = T5Tokenizer(vocab=[(token, -float(place)) for token, place in ranked])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(2)
    shape = T5Config(
        vocab_size=-(-len(tokenizer) // SPARE_ROWS) * SPARE_ROWS,
        d_model=width,
        d_ff=64,
        d_kv=16,
        num_heads=4,
        num_layers=2,
    )
    T5EncoderModel(shape).save_pretrained(folder)
    return folder
