"""In which precision a network multiplies."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "auto"]
"""`auto` is bfloat16 on devices that have instructions for it, and float32 on others: a processor that has none takes
twenty times as long for a product in bfloat16 as for one in float32."""

_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
"""Of processors, as PyTorch names them; one of them is enough."""


@cache
def arithmetic(precision: Precision, device: str) -> torch.dtype:
    """The type that products are computed in on a type of device, such as `cpu`."""
    if precision == "float32":
        return torch.float32
    return torch.bfloat16 if precision == "bfloat16" or _multiplies_bfloat16(device) else torch.float32


def _multiplies_bfloat16(device: str) -> bool:
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in _INSTRUCTIONS)
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return False
