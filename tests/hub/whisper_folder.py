"""Whisper with random weights: the published network, narrow and of few words, saved by the library's own means."""

from __future__ import annotations

from pathlib import Path

LANGUAGES = ("en", "fr", "de")
TEXTS = ("the dog barks", "a woman speaks of the weather", "piano and rain on a roof")
SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{language}|>" for language in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)


def write_whisper_folder(folder: Path, *, multilingual: bool = True, seed: int = 0) -> Path:
    """A folder as on the hub; it writes at most twelve words."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )

    folder.mkdir(parents=True)
    words = ByteLevelBPETokenizer()
    words.train_from_iterator(
        TEXTS * 3, vocab_size=320, special_tokens=["<|endoftext|>"], show_progress=False
    )
    words.save_model(str(folder))
    tokenizer = WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    tokenizer.save_pretrained(folder)
    tokens = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    torch.manual_seed(seed)
    end = tokens["<|endoftext|>"]
    shape = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_target_positions=32,
        init_std=0.3,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=tokens["<|startoftranscript|>"],
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    model = WhisperForConditionalGeneration(shape)
    generation = {
        "max_length": 16,
        "pad_token_id": end,
        "bos_token_id": end,
        "eos_token_id": end,
        "decoder_start_token_id": tokens["<|startoftranscript|>"],
        "no_timestamps_token_id": tokens["<|notimestamps|>"],
        "is_multilingual": multilingual,
        "suppress_tokens": list(tokens.values())[1:],
    }
    if multilingual:
        generation["lang_to_id"] = {f"<|{each}|>": tokens[f"<|{each}|>"] for each in LANGUAGES}
        generation["task_to_id"] = {each: tokens[f"<|{each}|>"] for each in ("transcribe", "translate")}
    model.generation_config = GenerationConfig(**generation)
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder
