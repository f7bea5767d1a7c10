"""A benchmark: questions, each in its setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dataengine.evaluation.benchmark.settings import SETTINGS, Setting
from dataengine.evaluation.questions import Question
from manifests.identity import digest_of_ids


@dataclass(frozen=True)
class Benchmark:
    """What separators are asked."""

    name: str
    questions: Mapping[Setting, Sequence[Question]]
    """In the order of tables; none of them empty."""
    absent: Sequence[Question] = ()
    """Prompts for what is not there."""
    left_out: Mapping[Setting, str] = field(default_factory=dict)
    """Settings that were asked for and cannot be had, and why."""
    notes: Sequence[str] = ()
    """What a reader of its figures must know."""

    @property
    def known(self) -> bool:
        """Whether it is known what is right."""
        return all(question.scene.known for each in self.questions.values() for question in each)

    @property
    def digest(self) -> str:
        """Figures of two evaluations compare only if they have this in common."""
        every = [question for each in (*self.questions.values(), self.absent) for question in each]
        return digest_of_ids(question.id for question in every)


def first_of_each(
    found: Mapping[Setting, Iterable[Question]], limit: int
) -> tuple[dict[Setting, list[Question]], dict[Setting, str]]:
    """The first so many questions of each setting, and the settings that have none."""
    asked = {each: list(found[each])[:limit] for each in SETTINGS if each in found}
    return (
        {setting: questions for setting, questions in asked.items() if questions},
        {setting: "no scene has a source for it" for setting, questions in asked.items() if not questions},
    )
