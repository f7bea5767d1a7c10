"""What training draws from: recordings and triplets, by their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manifests.identity import normalise_prompt

MIXTURE, TARGET, RESIDUAL = "mix.flac", "target.flac", "residual.flac"
"""Suffixes of a sample's sounds."""


@dataclass(frozen=True)
class Item:
    """One sample of a shard."""

    shard: str
    """Path or URL of the tar."""
    key: str
    text: str
    """What names its sound most closely."""
    members: tuple[tuple[str, int, int], ...]
    """Suffix, offset and size in bytes of each file: `target.flac`, …"""
    band_hz: float | None = None
    """Its recording holds nothing above; None: not known."""
    sound: str = TARGET
    """The file that holds its sound; a triplet's mixture is an item of its own."""
    other_names: tuple[str, ...] = ()
    """Further texts that name all of its sound: "music" of a violin."""
    parts: tuple[str, ...] = ()
    """Further texts that name some of its sound: "violin playing" of a string quartet."""
    rest: tuple[str, ...] = ()
    """Texts that name some of what else sounds in its mixture."""
    recording_id: str | None = None
    """Of the recording that it was made from; None: not told."""

    @property
    def names(self) -> tuple[str, ...]:
        """All texts that may ask for it."""
        return (self.text, *self.other_names)


class Pool:
    """Items of one kind, and how likely each is."""

    def __init__(self, items: Sequence[Item], balance: float = 1.0) -> None:
        """`balance` is 0..1: at 0 every item is as likely as any other, at 1 every text is."""
        self.items = items
        names = [normalise_prompt(item.text) for item in items]
        counts = Counter(names)
        weights = np.array([counts[name] ** -balance for name in names])
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

    A prompt must name one of the two alone: "animal sounds" for a cow against a dog teaches nothing. So nothing
    that the rest is called, in whole or in part, may be the prompt; what else may not is for a table to say.
    """

    conflicts: frozenset[frozenset[str]] = frozenset()
    """Pairs of texts, normalised, that may not be mixed."""

    def allows(self, text: str, other: Item) -> bool:
        """Whether a sound may be in the rest where this text asks for the target."""
        pairs = (
            frozenset((normalise_prompt(text), normalise_prompt(name)))
            for name in (*other.names, *other.parts)
        )
        return all(len(pair) == 2 and pair not in self.conflicts for pair in pairs)
