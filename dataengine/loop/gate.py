"""Two separators on the gate set: what they gain, and the differences that decide, paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dataengine.errors import UserError
from dataengine.evaluation.bootstrap import Estimate
from dataengine.evaluation.contest import Contest, Entry
from dataengine.evaluation.contestants import Contestant, Promptable
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import Question, extractions
from dataengine.evaluation.separation import TARGET, differences, gains, summaries
from dataengine.evaluation.true_scenes import read_scenes
from dataengine.loop.promotion import ALL
from dataengine.models.profile import Profile

PRIMARY = TARGET
"""The primary metric: SI-SDR improvement of the target over the mixture where target and rest both sound, dB."""


@dataclass(frozen=True)
class Comparison:
    """New against old separator; estimates of means, in dB."""

    questions: int
    clips: int
    old: dict[str, Estimate]
    """What the old one gains, by group: `ALL`, and each category of what is asked for."""
    new: dict[str, Estimate]
    difference: dict[str, Estimate]
    """New − old, paired by question."""

    def to_dict(self) -> dict[str, Any]:
        """As `evaluation.json` holds it."""
        return {"metric": PRIMARY, **asdict(self)}


def gate_questions(truth: Path, scenes: int | None) -> list[Question]:
    """What is asked of the first so many scenes of a gate set. Raises UserError if nothing can be."""
    found = read_scenes(truth)
    chosen = [found[name] for name in sorted(found)[:scenes]]
    questions = extractions(chosen, PhraseMeanings.load())
    if not questions:
        raise UserError("no source of these scenes can be asked for by a phrase", where=str(truth))
    return questions


def compare(answers: Path, questions: Sequence[Question], old: Profile, new: Profile) -> Comparison:
    """Ask the separators of two profiles everything; what was answered before is not asked again.

    Raises UserError if sounds meet in none of the scenes.
    """
    contest = Contest(answers, new.sample_rate)
    contestants = [Promptable.of_profile(name, each) for name, each in (("old", old), ("new", new))]
    contest.hold([Entry(each, questions) for each in contestants])
    before, after = (_gains(contest, each, questions) for each in contestants)
    if before.empty:
        raise UserError("in no scene of the gate set does a sound that can be asked for meet another")
    return Comparison(
        questions=len(before),
        clips=len({clip for clips in before["clips"] for clip in clips}),
        old={name: summaries(before[mask])[PRIMARY].mean for name, mask in _groups(before).items()},
        new={name: summaries(after[mask])[PRIMARY].mean for name, mask in _groups(after).items()},
        difference={
            name: differences(after[mask], before[mask])[PRIMARY].mean
            for name, mask in _groups(before).items()
        },
    )


def _gains(contest: Contest, contestant: Contestant, questions: Sequence[Question]) -> pd.DataFrame:
    return gains(contest, contestant, questions, frozenset())


def _groups(found: pd.DataFrame) -> dict[str, Any]:
    """Masks of all rows and of each category; both contestants answered the same questions in the same order."""
    target = found["target"]
    return {ALL: target == target} | {name: target == name for name in sorted(target.unique())}
