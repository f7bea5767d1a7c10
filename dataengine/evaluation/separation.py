"""What contestants are worth: improvements over the mixture, in groups and against each other, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from dataengine.evaluation.bootstrap import ClipBootstrap, Summary
from dataengine.evaluation.contest import Contest
from dataengine.evaluation.contestants import Contestant
from dataengine.evaluation.proportion import Clusters, Share, share
from dataengine.evaluation.questions import Place, Question
from dataengine.evaluation.strata import Stratum, stratum_of

TARGET, RESIDUAL = "target_gain", "residual_gain"
_COLUMNS = (TARGET, RESIDUAL, "clips", *(field.name for field in fields(Stratum)))
SILENT_DB = -20.0
"""An answer to a prompt for what is not there is silent if it is at least so far below the mixture."""


@dataclass(frozen=True)
class Silence:
    """What a contestant gives when asked for something that is not there."""

    level: Summary
    """Of the answer against the mixture, dB."""
    silent: Share
    """Answers at `SILENT_DB` or below."""


def gains(
    contest: Contest, contestant: Contestant, questions: Sequence[Question], seen: Set[str]
) -> pd.DataFrame:
    """SI-SDR improvement over the mixture, in dB, of the contestant's answers where there was something to separate.

    A row a question that has a target, under its place (scene and source): `target_gain`, `residual_gain`,
    `clips`, and the fields of `Stratum`. `seen` are the phrases of all labels trained on.
    """
    places, rows = [], []
    for question in questions:
        worth = contest.worth(contestant, question)
        if worth is not None and worth.met:
            stratum = asdict(stratum_of(question, worth.overlap, seen))
            places.append(question.place)
            rows.append(
                {TARGET: worth.target_gain, RESIDUAL: worth.residual_gain, "clips": question.clips, **stratum}
            )
    index = pd.MultiIndex.from_tuples(places, names=["scene", "source"]) if places else None
    return pd.DataFrame(rows, index=index, columns=_COLUMNS)


def groups(found: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """What `gains` found, all of it and in groups with a name, each as far as it holds anything."""
    sound, seen = found["target"] + " against " + found["rest"], found["seen"]
    chosen = {
        "all": seen | True,
        **{name: sound == name for name in sorted(sound.unique())},
        "against speech": (found["target"] != "speech") & (found["rest"] == "speech"),
        "seen label": seen,
        "unseen label": ~seen,
        "unseen sound against sound": ~seen & (sound == "sound against sound"),
        "rest sounds half of the time or more": found["overlapping"],
        "rest sounds less than half of the time": ~found["overlapping"],
    }
    yield from ((name, found[mask]) for name, mask in chosen.items() if mask.any())


def summaries(found: pd.DataFrame) -> dict[str, Summary]:
    """`target_gain` and `residual_gain` of some answers, at least one."""
    bootstrap = ClipBootstrap(found["clips"].tolist())
    return {name: bootstrap.summary(found[name].to_numpy()) for name in (TARGET, RESIDUAL)}


def differences(one: pd.DataFrame, other: pd.DataFrame) -> dict[str, Summary]:
    """How much more `one` gains than `other` on the questions that both answered; empty if there are none."""
    both = one.join(other[[TARGET, RESIDUAL]], rsuffix="_of_other", how="inner")
    if both.empty:
        return {}
    bootstrap = ClipBootstrap(both["clips"].tolist())
    return {
        name: bootstrap.summary((both[name] - both[f"{name}_of_other"]).to_numpy())
        for name in (TARGET, RESIDUAL)
    }


def removal_against_extraction(found: pd.DataFrame, pairs: Mapping[Place, Place]) -> Summary | None:
    """How much nearer the truth a sound is when the other one is taken out than when it is asked for, dB.

    `pairs` are the `removals` of the questions that `found` answers; None without any.
    """
    asked = found[[pairs.get(place) in found.index for place in found.index]]
    if asked.empty:
        return None
    others = pd.MultiIndex.from_tuples([pairs[place] for place in asked.index])
    gained = found[RESIDUAL].reindex(others).to_numpy() - asked[TARGET].to_numpy()
    return ClipBootstrap(asked["clips"].tolist()).summary(gained)


def silence(contest: Contest, contestant: Contestant, questions: Sequence[Question]) -> Silence | None:
    """What the contestant made of prompts for what is not there; None if it was asked for nothing such."""
    answered = [
        (worth.level, question.clips)
        for question in questions
        if (worth := contest.worth(contestant, question)) is not None
    ]
    if not answered:
        return None
    levels, clips = np.array([level for level, _ in answered]), [each for _, each in answered]
    return Silence(ClipBootstrap(clips).summary(levels), share(levels <= SILENT_DB, Clusters(clips)))
