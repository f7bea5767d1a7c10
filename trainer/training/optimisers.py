"""Who changes the weights: Muon for the matrices inside the blocks, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer


@dataclass(frozen=True)
class OptimiserConfig:
    """The optimiser and its numbers; the defaults of AdamW are the reference's."""

    kind: Literal["adamw", "muon"] = "adamw"
    """`muon` orthogonalises the updates of the matrices inside the blocks (Jordan et al. 2024), and leaves
    embeddings, first and last layers, norms and tables to AdamW."""
    learning_rate: float = 1e-4
    """Of AdamW."""
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.1
    """Of matrices; vectors and embeddings are not decayed."""
    muon_learning_rate: float = 0.02
    muon_momentum: float = 0.95


def build_optimisers(model: nn.Module, config: OptimiserConfig) -> list[Optimizer]:
    """One optimiser, or two that share the parameters between them."""
    hidden = set(_hidden_matrices(model)) if config.kind == "muon" else set()
    rest = {name: each for name, each in model.named_parameters() if name not in hidden}
    groups = [
        {"params": [each for each in rest.values() if each.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [each for each in rest.values() if each.ndim < 2], "weight_decay": 0.0},
    ]
    optimisers: list[Optimizer] = [AdamW(groups, lr=config.learning_rate, betas=config.betas)]
    if hidden:
        matrices = [each for name, each in model.named_parameters() if name in hidden]
        optimisers.append(
            Muon(
                matrices,
                lr=config.muon_learning_rate,
                momentum=config.muon_momentum,
                weight_decay=config.weight_decay,
                adjust_lr_fn="original",
            )
        )
    return optimisers


def _hidden_matrices(model: nn.Module) -> Iterator[str]:
    """Names of the weights of linear layers inside the blocks."""
    for name, module in model.named_modules():
        if ".blocks." in f".{name}." and isinstance(module, nn.Linear):
            yield f"{name}.weight"


def set_learning_rates(optimisers: list[Optimizer], config: OptimiserConfig, factor: float) -> None:
    """Bring every learning rate to `factor` times what the configuration says."""
    for optimiser in optimisers:
        rate = config.muon_learning_rate if isinstance(optimiser, Muon) else config.learning_rate
        for group in optimiser.param_groups:
            group["lr"] = factor * rate


def clip_gradients(model: nn.Module, most: float) -> torch.Tensor:
    """Scale all gradients down to a norm of at most `most`; returns the norm that they had."""
    norm = nn.utils.clip_grad_norm_(model.parameters(), most)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm
