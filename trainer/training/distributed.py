"""One process or many: who I am, and how the model is spread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from trainer.dit import DiTBlock

CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """The processes that train together; one without `torchrun`."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks to people."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over all processes."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total / self.size

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that `torchrun` or Ray Train started, on GPUs if there are any."""
    cuda = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(device=device)
        return
    ours = not distributed.is_initialized()
    if ours:
        distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield World(distributed.get_rank(), size, device)
    finally:
        if ours:
            distributed.destroy_process_group()


def spread(model: nn.Module, world: World, how: Literal["ddp", "fsdp"]) -> nn.Module:
    """The model as all processes train it: a copy on each, or sharded over them block by block."""
    model = model.to(world.device)
    if world.size == 1:
        return model
    if how == "ddp":
        return DistributedDataParallel(
            model, device_ids=[world.device] if world.device.type == "cuda" else None
        )
    mesh = init_device_mesh(world.device.type, (world.size,))
    for module in model.modules():
        if isinstance(module, DiTBlock):
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model
