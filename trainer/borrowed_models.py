"""Models of a profile that work beside a network of ours, in its process."""

from __future__ import annotations

from typing import Any

import torch

from dataengine.models.profile import ProfileModels


def load_beside_network(models: ProfileModels, role: str) -> Any:
    """The model that fills a role. PyTorch keeps its threads, which some adapters set to the profile's as they load.

    Raises UserError if there is none or its weights are missing.
    """
    threads = torch.get_num_threads()
    try:
        return models.load(role)
    finally:
        torch.set_num_threads(threads)
