"""What kind of question a question is."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from dataengine.evaluation.questions import Question

SEVERAL = "several"
"""The category of a rest that holds several."""
HALF = 0.5


@dataclass(frozen=True)
class Stratum:
    """The groups that a question with a target belongs to."""

    target: str
    """Category of the target."""
    rest: str
    """Category of the rest, or `SEVERAL`."""
    seen: bool
    """Whether the prompt is one of those that name what was trained on."""
    overlapping: bool
    """Whether the rest sounds in at least half of the time that the target sounds."""


def stratum_of(question: Question, overlap: float, seen: Set[str]) -> Stratum:
    """The stratum of a question; `overlap` as in `Worth`, `seen` are the phrases of all labels trained on."""
    if question.target is None:
        raise ValueError("a question for what is not there has no stratum")
    categories = {source.category for source in question.rest}
    return Stratum(
        target=question.target.category,
        rest=categories.pop() if len(categories) == 1 else SEVERAL,
        seen=question.text in seen,
        overlapping=overlap >= HALF,
    )
