"""Models that write text, with random weights: the real architectures, small, saved by the library's own means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataengine.models.phrase_answers import Conversation

TEXTS = ("a dog is barking while rain falls on a roof", "a woman is speaking, a piano is playing")
END, TURN, TURN_ENDS = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
STEPS = 150  # until a conversation is known by heart
SPREAD = 0.3  # of the weights: with the library's 0.02 small models say the same of everything

CHAT = """\
{% for message in messages %}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}\
{% if part['type'] == 'audio' %}AUDIO{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def write_qwen2_audio(folder: Path) -> Path:
    """Qwen2-Audio: Whisper's encoder and Qwen2."""
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        WhisperFeatureExtractor,
    )

    tokenizer = new_tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
    shape = Qwen2AudioConfig(
        audio_config=_whisper("qwen2_audio_encoder"),
        text_config=_qwen2(tokenizer),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    _write(Qwen2AudioForConditionalGeneration, shape, folder)
    hearing = WhisperFeatureExtractor(feature_size=128)
    Qwen2AudioProcessor(feature_extractor=hearing, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def write_audio_flamingo_3(folder: Path) -> Path:
    """Audio Flamingo 3: Whisper's encoder and Qwen2, joined by another projection."""
    from transformers import (
        AudioFlamingo3Config,
        AudioFlamingo3ForConditionalGeneration,
        AudioFlamingo3Processor,
        WhisperFeatureExtractor,
    )

    tokenizer = new_tokenizer("<sound>")
    shape = AudioFlamingo3Config(
        audio_config=_whisper("audioflamingo3_encoder"),
        text_config=_qwen2(tokenizer),
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    _write(AudioFlamingo3ForConditionalGeneration, shape, folder)
    hearing = WhisperFeatureExtractor(feature_size=128)
    AudioFlamingo3Processor(
        feature_extractor=hearing, tokenizer=tokenizer, chat_template=CHAT.replace("AUDIO", "<sound>")
    ).save_pretrained(folder)
    return folder


def write_qwen3_omni(folder: Path) -> Path:
    """Qwen3-Omni without the part that speaks: its own audio encoder, and experts."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        Qwen3OmniMoeConfig,
        Qwen3OmniMoeForConditionalGeneration,
        Qwen3OmniMoeProcessor,
        WhisperFeatureExtractor,
    )

    places = {
        **{f"{kind}_token": f"<|{kind}_pad|>" for kind in ("audio", "image", "video")},
        **{f"{kind}_bos_token": f"<|{kind}_start|>" for kind in ("audio", "vision")},
        **{f"{kind}_eos_token": f"<|{kind}_end|>" for kind in ("audio", "vision")},
    }
    tokenizer = new_tokenizer(*places.values(), **places)
    tokens = {name: tokenizer.convert_tokens_to_ids(token) for name, token in places.items()}
    thinker = {
        "audio_config": {
            **_whisper("qwen3_omni_moe_audio_encoder"),
            "output_dim": 32,
            "downsample_hidden_size": 16,
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": 32,
            "num_heads": 4,
            "intermediate_size": 64,
            "out_hidden_size": 32,
            "deepstack_visual_indexes": [0],
        },
        "text_config": {
            **_qwen2(tokenizer),
            "model_type": "qwen3_omni_moe_text",
            "head_dim": 8,
            "moe_intermediate_size": 16,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]},
        },
        **{f"{kind}_token_id": tokens[f"{kind}_token"] for kind in ("audio", "image", "video")},
        "audio_start_token_id": tokens["audio_bos_token"],
        "vision_start_token_id": tokens["vision_bos_token"],
        "initializer_range": SPREAD,
    }
    shape = Qwen3OmniMoeConfig(thinker_config=thinker, enable_audio_output=False)
    _write(Qwen3OmniMoeForConditionalGeneration, shape, folder)
    Qwen3OmniMoeProcessor(
        image_processor=Qwen2VLImageProcessor(),
        video_processor=Qwen2VLVideoProcessor(),
        feature_extractor=WhisperFeatureExtractor(feature_size=128),
        tokenizer=tokenizer,
        chat_template=CHAT.replace("AUDIO", "<|audio_start|><|audio_pad|><|audio_end|>"),
    ).save_pretrained(folder)
    return folder


def write_chat_model(folder: Path, conversations: Sequence[Conversation] = ()) -> Path:
    """Qwen2, told to talk in turns; it learns the conversations by heart."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = new_tokenizer()
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    shape = {key: value for key, value in _qwen2(tokenizer).items() if key != "model_type"}
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**{**shape, "initializer_range": 0.1}))
    _learn(model, tokenizer, conversations)
    model.save_pretrained(folder)
    return folder


def _learn(model: Any, tokenizer: Any, conversations: Sequence[Conversation]) -> None:
    import torch

    learned = [
        tokenizer.apply_chat_template(list(each), return_tensors="pt", return_dict=True)["input_ids"]
        for each in conversations
    ]
    steps = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        for tokens in learned:
            steps.zero_grad()
            model(input_ids=tokens, labels=tokens).loss.backward()
            steps.step()


def new_tokenizer(*places: str, **named: str) -> Any:
    """Bytes and some pairs of them, and tokens that stand for something."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=[END, TURN, TURN_ENDS, *places],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokens.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens, eos_token=TURN_ENDS, pad_token=END, extra_special_tokens=named
    )


def _whisper(kind: str) -> dict[str, Any]:
    small = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}
    return {"model_type": kind, "initializer_range": SPREAD, "num_mel_bins": 128, **small}


def _qwen2(tokenizer: Any) -> dict[str, Any]:
    return {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": SPREAD,
    }


def _write(kind: Any, shape: Any, folder: Path) -> None:
    import torch

    torch.manual_seed(0)
    kind(shape).save_pretrained(folder)
