"""PyTorch as every adapter of a library's model runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime
from dataengine.models.roles import Matrix

if TYPE_CHECKING:
    import torch

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
"""Of the products of matrices; weights and sums stay in float32."""


@dataclass(frozen=True)
class TorchInference:
    """A device and a precision."""

    device: torch.device
    precision: Precision

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """What a model is called in: no gradients, the precision that was asked for."""
        import torch

        lower = self.precision != "float32"
        kind = getattr(torch, self.precision)
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=kind, enabled=lower):
            yield

    def to_device(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        """An array as a tensor on the device; the array itself may be read-only."""
        import torch

        return torch.tensor(array, device=self.device)


def start_torch(runtime: Runtime, precision: Precision) -> TorchInference:
    """Give PyTorch its threads. Raises UserError if it cannot use the device."""
    import torch

    torch.set_num_threads(runtime.threads)
    device = torch.device(runtime.device)
    if device.type == "cuda" and not (
        torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    ):
        raise UserError(
            f"PyTorch cannot use device {runtime.device!r}; set `device: cpu` in the profile, or see that a GPU "
            "and a CUDA build of PyTorch are there"
        )
    return TorchInference(device, precision)


def as_matrix(tensor: torch.Tensor) -> Matrix:
    """What a model returned as float32, on the CPU."""
    matrix: Matrix = tensor.float().cpu().numpy()
    return matrix


def in_calls_of(items: Sequence[Any], count: int) -> Iterator[Sequence[Any]]:
    """The items in the portions that a model sees together, which bounds its memory."""
    for start in range(0, len(items), count):
        yield items[start : start + count]
