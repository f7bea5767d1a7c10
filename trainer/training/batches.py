"""Batches in the order of positions: which process takes which samples of which step, and reading ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader

from trainer.data.rendering import TrainingSample
from trainer.data.samples import RenderedBatch, TrainingSamples
from trainer.training.distributed import World

Collate = Callable[[Sequence[TrainingSample]], RenderedBatch]


@dataclass(frozen=True)
class BatchConfig:
    """How large a step is, and who reads for it."""

    seconds: float = 64.0
    """Of audio in a step, over all processes: a budget, so that longer samples make fewer."""
    micro_batches: int = 1
    """Pieces that a process works through one after the other, where a step does not fit into memory."""
    workers: int = 1
    """Processes that read and mix, for each that trains; 0: it does so itself."""
    ahead: int = 4
    """Micro-batches that each worker reads ahead."""


class Batches:
    """The batches of one process, from any step on.

    Step `s` takes positions s·n … (s+1)·n − 1, however many processes there are: they share them in equal
    stretches. So the samples of a run are the same, and come in the same order, on one process or on many.
    """

    def __init__(
        self, samples: TrainingSamples, collate: Collate, config: BatchConfig, seconds: float, world: World
    ) -> None:
        """`seconds` is the length of a sample."""
        pieces = config.micro_batches * world.size
        self.samples_a_step = max(round(config.seconds / seconds / pieces), 1) * pieces
        self._samples, self._collate, self._config, self._world = samples, collate, config, world
        self.waited = 0.0
        """Seconds for which training had to wait for data, so far."""

    def positions(self, step: int, piece: int) -> range:
        """Positions of this process's micro-batch number `piece` of a step."""
        size = self.samples_a_step // (self._config.micro_batches * self._world.size)
        first = step * self.samples_a_step + (piece * self._world.size + self._world.rank) * size
        return range(first, first + size)

    def steps(self, first: int, last: int) -> Iterator[tuple[int, list[RenderedBatch]]]:
        """Number and micro-batches of each step from `first` to before `last`."""
        pieces = self._config.micro_batches
        batches = iter(self._loader(_Order(self, range(first, last), pieces)))
        for step in range(first, last):
            began = time.perf_counter()
            of_step = [next(batches) for _ in range(pieces)]
            self.waited += time.perf_counter() - began
            yield step, of_step

    def _loader(self, order: Iterable[list[int]]) -> DataLoader[Any]:
        workers = self._config.workers
        return DataLoader(
            self._samples,
            batch_sampler=order,
            collate_fn=self._collate,
            num_workers=workers,
            prefetch_factor=self._config.ahead if workers else None,
            multiprocessing_context="spawn" if workers else None,
        )


@dataclass(frozen=True)
class _Order:
    """Positions of one micro-batch after the other; made as they are asked for, since a run has many."""

    batches: Batches
    steps: range
    pieces: int

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            for piece in range(self.pieces):
                yield list(self.batches.positions(step, piece))
