"""Contestants whose answers are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dataengine.evaluation.asking import Asked
from dataengine.evaluation.questions import Question
from dataengine.models.roles import Stems


@dataclass
class Knowing:
    """Knows the truth up to a share of the rest, and counts what it is asked."""

    name: str
    leak: float
    asked: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return f"{self.name}-{self.leak}"

    def answers(self, question: Question) -> bool:
        return True

    def separate(self, asked: Sequence[Asked]) -> list[Stems]:
        self.asked += [each.question.id for each in asked]
        targets = [each.target + np.float32(self.leak) * each.rest for each in asked]
        return [Stems(target, each.mixture - target) for target, each in zip(targets, asked, strict=True)]


@dataclass
class Halving(Knowing):
    """Gives half of the mixture, and needs to know nothing."""

    def separate(self, asked: Sequence[Asked]) -> list[Stems]:
        self.asked += [each.question.id for each in asked]
        return [Stems(each.mixture / 2, each.mixture / 2) for each in asked]
