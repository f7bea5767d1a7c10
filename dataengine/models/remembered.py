"""Answers of a model that are kept for the next time the same thing is asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Remembered(Generic[Key, Answer]):
    """The last answers, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answers: OrderedDict[Key, Answer] = OrderedDict()

    def answers(
        self, asked: Mapping[Key, Asked], compute: Callable[[list[Asked]], Sequence[Answer]]
    ) -> dict[Key, Answer]:
        """The answer for each key; `compute` is called once, with what is new among `asked`, if anything is."""
        known = self.known(asked)
        new = [key for key in asked if key not in known]
        if new:
            known.update(zip(new, compute([asked[key] for key in new]), strict=True))
        for key, answer in known.items():
            self.keep(key, answer)
        return known

    def known(self, keys: Iterable[Key]) -> dict[Key, Answer]:
        """The answers that are there already."""
        return {key: self._answers[key] for key in keys if key in self._answers}

    def keep(self, key: Key, answer: Answer) -> None:
        """Put an answer first; the one that was not asked for the longest makes room."""
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > self._limit:
            self._answers.popitem(last=False)
