"""PE-A-Frame with random weights: the real networks, but small, and a short vocabulary of real words."""

from __future__ import annotations

from pathlib import Path

from clap_checkpoints import TEXTS

SPARE_ROWS = 128


def write_pe_frames_folder(folder: Path) -> Path:
    """A folder as on the hub."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import (
        PeAudioConfig,
        PeAudioFeatureExtractor,
        PeAudioFrameLevelModel,
        PeAudioProcessor,
        PreTrainedTokenizerFast,
    )

    words = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", *sorted({word for text in TEXTS for word in text.split()})]
    vocabulary = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, "[UNK]"))
    vocabulary.pre_tokenizer = Whitespace()
    vocabulary.post_processor = TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 1), ("[SEP]", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=vocabulary,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
    )
    PeAudioProcessor(feature_extractor=PeAudioFeatureExtractor(), tokenizer=tokenizer).save_pretrained(folder)
    text = {
        "vocab_size": -(-len(words) // SPARE_ROWS) * SPARE_ROWS,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "pad_token_id": 3,
        "cls_token_id": 1,
        "sep_token_id": 2,
    }
    audio = {
        "dac_config": {"encoder_hidden_size": 2, "codebook_dim": 16},
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "head_dim": 16,
    }
    torch.manual_seed(3)
    model = PeAudioFrameLevelModel(PeAudioConfig(text_config=text, audio_config=audio))
    model.text_audio_logit_scale.data.fill_(2.0)
    model.text_audio_logit_bias.data.fill_(-1.0)
    model.save_pretrained(folder)
    return folder
