"""One training step: the loss of flow matching, its gradient, and the change of the weights.

x_t = t · x₁ + (1 − (1 − σ_min) · t) · x₀
L = L_FM(estimate(x_t, t, c), x₀, x₁) + λ · L_aux
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainer.alignment import alignment_loss
from trainer.data.samples import TrainingBatch
from trainer.flow.loss import FlowMatchingLoss
from trainer.flow.path import StraightPath
from trainer.training.precision import Precision, arithmetic


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is made small."""

    loss: FlowMatchingLoss = field(default_factory=FlowMatchingLoss)
    alignment: float = 1.0
    """λ of the auxiliary loss; the reference has 1 in pre-training and 0 in fine-tuning."""
    precision: Precision = "float32"
    """Of the network's arithmetic; weights, losses and optimisers are float32."""


class Objective(nn.Module):
    """The network with the head of the auxiliary loss: everything that is trained, called as one."""

    def __init__(
        self, network: nn.Module, path: StraightPath, head: nn.Module | None, config: ObjectiveConfig
    ) -> None:
        super().__init__()
        self.network, self.head = network, head
        self._path, self._config = path, config

    def forward(self, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        """Mean flow-matching loss and mean auxiliary loss of a batch."""
        xt = self._path.point(batch.x0, batch.x1, batch.t)
        dtype = arithmetic(self._config.precision, xt.device.type)
        with torch.autocast(xt.device.type, dtype, enabled=dtype != torch.float32):
            estimate, hidden = self.network(xt, batch.t, batch.conditions)
            aligned = self.head(hidden) if self.head is not None else None
        mask = batch.conditions.frame_mask
        flow = self._config.loss(estimate, batch.x0, batch.x1, self._path, mask).mean()
        if aligned is None or batch.heard is None:
            return flow, torch.zeros_like(flow)
        return flow, alignment_loss(aligned, batch.heard, mask).mean()

    def total(self, flow: Tensor, auxiliary: Tensor) -> Tensor:
        """L."""
        return flow + self._config.alignment * auxiliary


def gradients(objective: nn.Module, batches: Sequence[TrainingBatch]) -> tuple[Tensor, Tensor]:
    """Leave the gradients of a step's micro-batches in the parameters; returns the two mean losses.

    `objective` is an `Objective`, or one that is spread over processes; these average their gradients with
    the last micro-batch.
    """
    inner = objective.module if isinstance(objective, DistributedDataParallel) else objective
    flows, auxiliaries = [], []
    for number, batch in enumerate(batches, start=1):
        last = number == len(batches)
        alone = isinstance(objective, DistributedDataParallel) and not last
        with objective.no_sync() if alone else nullcontext():  # type: ignore[operator]
            flow, auxiliary = objective(batch)
            (inner.total(flow, auxiliary) / len(batches)).backward()  # type: ignore[operator]
        flows.append(flow.detach())
        auxiliaries.append(auxiliary.detach())
    return torch.stack(flows).mean(), torch.stack(auxiliaries).mean()
