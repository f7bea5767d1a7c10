"""What training draws from: recordings and triplets, by their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manifests.identity import normalise_prompt


@dataclass(frozen=True)
class Item:
    """One sample of a shard."""

    shard: str
    """Path or URL of the tar."""
    key: str
    text: str
    """What names its target."""
    members: tuple[tuple[str, int, int], ...]
    """Suffix, offset and size in bytes of each file: `target.flac`, …"""
    band_hz: float | None = None
    """Its recording holds nothing above; None: not known."""


class Pool:
    """Items of one kind, and how likely each is."""

    def __init__(self, items: Sequence[Item], balance: float = 1.0) -> None:
        """`balance` is 0..1: at 0 every item is as likely as any other, at 1 every text is."""
        self.items = items
        self._names = [normalise_prompt(item.text) for item in items]
        counts: dict[str, int] = {}
        for name in self._names:
            counts[name] = counts.get(name, 0) + 1
        weights = np.array([counts[name] ** -balance for name in self._names])
        self._cumulative: np.ndarray[Any, np.dtype[np.float64]] = np.cumsum(weights)

    def __len__(self) -> int:
        return len(self.items)

    def draw(self, random: np.random.Generator) -> Item:
        """One item."""
        point = random.random() * self._cumulative[-1]
        return self.items[int(np.searchsorted(self._cumulative, point, side="right"))]


@dataclass(frozen=True)
class Compatibility:
    """Which texts may be target and rest of one mixture.

    A prompt must name one of the two alone: "dog barking" against "animal" teaches nothing. Two equal texts
    never may; which others may not is for a table to say.
    """

    conflicts: frozenset[frozenset[str]] = frozenset()
    """Pairs of texts, normalised, that may not be mixed."""

    def allows(self, text: str, other: str) -> bool:
        """Whether sounds of these texts may be mixed."""
        pair = frozenset((normalise_prompt(text), normalise_prompt(other)))
        return len(pair) == 2 and pair not in self.conflicts
