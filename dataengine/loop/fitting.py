"""Whether what a loop begins with fits what its rounds train: seen before hours of labelling, not behind them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from trainer.codec import CodecConfig
from trainer.model import ModelConfig
from trainer.presets import PRESETS
from trainer.separator import check_weights, configuration_in
from trainer.training.configuration import TrainConfig

TEXT_WIDTH = "network.dit.text_width"
OF_TRAINING_ALONE = ("network.dit.alignment_block",)
"""What an auxiliary loss reads."""


def check_first_separator(folder: Path, training: TrainConfig, starts_training: bool) -> None:
    """Raise UserError if a separator is not there or not whole, or if rounds cannot go on from it.

    Args:
        folder: of the separator that labels in the first round.
        training: what rounds train.
        starts_training: whether the first round's training starts from its weights.
    """
    check_weights(folder)
    own = configuration_in(folder)
    codec = training.pinned().codec if getattr(own.codec, "digest", None) else training.codec
    found = _facts(own.codec, own.model)
    wanted = _facts(codec, PRESETS[training.preset])
    for name in found | wanted if starts_training else (TEXT_WIDTH,):
        if found.get(name) != wanted.get(name):
            raise UserError(
                f"rounds cannot go on from this separator: its {name} is {found.get(name)}, and the training file "
                f"(preset {training.preset!r}) has {wanted.get(name)}; name another as `initial`, or change the "
                f"training file{', or say `train.start: anew`' if name != TEXT_WIDTH else ''}",
                where=str(folder),
            )


def check_text_encoders(label: Profile, training: TrainConfig) -> None:
    """Raise UserError if separators would label beside another text encoder than they are trained with."""
    cards = [
        ProfileModels(each).provenance(("text_encoder",))["text_encoder"]
        for each in (label, Profile.load(training.profile))
    ]
    if cards[0]["digest"] != cards[1]["digest"]:
        raise UserError(
            f"rounds train with the text encoder of profile {training.profile!r} ({cards[1]['adapter']}), and profile "
            f"{label.name!r} labels with another ({cards[0]['adapter']}); name one profile as `label.profile` and as "
            "`profile` of the training file"
        )


def _facts(codec: CodecConfig, model: ModelConfig) -> dict[str, Any]:
    """All that decides what weights mean, by name."""
    named = {**_named("codec", asdict(codec)), **_named("network", asdict(model))}
    return {name: value for name, value in named.items() if name not in OF_TRAINING_ALONE}


def _named(prefix: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by their path with dots."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{prefix}.{name}"
        found |= _named(path, value) if isinstance(value, dict) else {path: value}
    return found
