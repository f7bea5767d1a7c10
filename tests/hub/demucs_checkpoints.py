"""Demucs with random weights: the published networks but for their width, saved by the package's own means."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

SOURCES = ["drums", "bass", "other", "vocals"]


def make_network(seed: int, sources: list[str] = SOURCES) -> Any:
    """An `HTDemucs` that is narrower than the published one, and hears 2 s at once."""
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    return HTDemucs(
        sources, channels=8, bottom_channels=32, t_layers=2, t_heads=4, segment=Fraction(2)
    ).eval()


def write_pickle(network: Any, path: Path) -> Path:
    """What the package's training leaves."""
    import torch
    from demucs.states import serialize_model
    from omegaconf import OmegaConf

    torch.save(serialize_model(network, OmegaConf.create({"seed": 42}), half=False), path)
    return path


def write_repository(networks: dict[str, Any], weights: list[list[float]] | None, folder: Path) -> Path:
    """What is on the hub: a table, and the networks as the package's `tools/export_hf.py` writes them."""
    folder.mkdir(parents=True)
    for name, network in networks.items():
        write_safetensors(network, folder / f"{name}.safetensors")
    table: dict[str, Any] = {"models": list(networks)}
    if weights:
        table["weights"] = weights
    (folder / "htdemucs_ft.yaml").write_text(yaml.safe_dump(table))
    return folder


def write_safetensors(network: Any, path: Path, **says: str) -> Path:
    """One network; `says` replaces what is said of it."""
    from safetensors.torch import save_file

    def as_json(value: Any) -> dict[str, Any]:
        assert isinstance(value, Fraction)
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}

    given, named = network._init_args_kwargs
    kind = type(network)
    metadata = {
        "klass": f"{kind.__module__}.{kind.__qualname__}",
        "args": json.dumps(given),
        "kwargs": json.dumps(named, default=as_json),
    }
    state = {name: each.contiguous() for name, each in network.state_dict().items()}
    save_file(state, path, metadata=metadata | says)
    return path
