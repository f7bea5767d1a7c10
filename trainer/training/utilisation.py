"""How much of what the machine can do reaches the model."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

SECONDS_TO_MEASURE = 0.5


def matmul_peak(rows: int, inner: int, columns: int, dtype: torch.dtype, device: torch.device) -> float:
    """Floating-point operations a second of [rows, inner] @ [inner, columns], the best of half a second."""
    a = torch.randn(rows, inner, dtype=dtype, device=device)
    b = torch.randn(inner, columns, dtype=dtype, device=device)
    best, end = float("inf"), time.perf_counter() + SECONDS_TO_MEASURE
    while time.perf_counter() < end:
        began = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * rows * inner * columns / best


def operations_of(work: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products in a piece of work."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())
