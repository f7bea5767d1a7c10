"""A separator from a network that takes any mixture apart into the same stems, without being asked for anything."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np

from dataengine.models.roles import Matrix, ModelCard, Prompt, Stems, Waveform
from dataengine.models.stem_prompts import OTHER, StemPrompts
from dataengine.models.waveforms import distinct, fitted, resample


class StemNetwork(Protocol):
    """Takes a mixture apart."""

    @property
    def stems(self) -> tuple[str, ...]:
        """What the stems are called, `vocals` among them."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hz; of what it hears and gives."""
        ...

    def split(self, mixture: Waveform) -> Matrix:
        """[stems, samples] of a mixture of at least one sample."""
        ...


class StemSeparator:
    """A Separator. A prompt gets the stems that hold what it names (`stem_prompts.py`), and no part of a stem.

    Where the network has no stem `other`, that is what it leaves of the mixture.
    """

    def __init__(self, card: ModelCard, network: StemNetwork, prompts: StemPrompts) -> None:
        self.card = card
        self._network = network
        self._prompts = prompts
        self._stems = network.stems if OTHER in network.stems else (*network.stems, OTHER)

    def separate(
        self, mixtures: Sequence[Waveform], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        """See Separator; candidates that share a mixture share what the network makes of it."""
        different, places = distinct(mixtures)
        split = [self._split(mixture, sample_rate) for mixture in different]

        @cache
        def stems(place: int, asked: tuple[str, ...]) -> Stems:
            target = np.sum([split[place][stem] for stem in asked], axis=0)
            return Stems(target, different[place] - target)

        return [
            stems(place, self._prompts.asked(prompt, self._stems))
            for place, prompt in zip(places, prompts, strict=True)
        ]

    def _split(self, mixture: Waveform, sample_rate: int) -> dict[str, Waveform]:
        """Stem → what it holds, of the mixture's rate and length."""
        own = self._network.sample_rate
        heard = resample(mixture, sample_rate, own)
        found = (
            self._network.split(heard) if len(heard) else np.zeros((len(self._network.stems), 0), np.float32)
        )
        back = [fitted(resample(each, own, sample_rate), len(mixture)) for each in found]
        split = dict(zip(self._network.stems, back, strict=True))
        return {OTHER: mixture - np.sum(back, axis=0), **split}
