"""Whether a round's separator takes the place of the one before: the rule, on differences that were measured."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from dataengine.evaluation.bootstrap import Estimate

ALL = "all"
"""Name of the group of all questions; the others are categories of what is asked for."""
MOST_LOST_DB = 0.5
"""A category may lose so much, at the lower bound of its difference."""


class Decision(BaseModel):
    """What became of a round's separator, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    promoted: bool
    reason: str
    """A sentence for people."""


def decide(difference: Mapping[str, Estimate]) -> Decision:
    """Promote if the separator surely gains, and no category loses, surely or possibly, more than 0.5 dB.

    `difference` holds, for `ALL` and each category, the paired difference in the primary metric on the gate set: new
    separator − old one, in dB. The lower ends of the intervals decide. A bound that is NaN is no evidence, and
    promotes nothing.
    """
    overall = difference[ALL]
    if not overall.low > 0:
        return Decision(
            promoted=False,
            reason=f"the gain of {in_words(overall)} on the gate set is not surely above 0",
        )
    losing = {
        name: each for name, each in difference.items() if name != ALL and not each.low >= -MOST_LOST_DB
    }
    if losing:
        name = min(losing, key=lambda each: (losing[each].low, each))
        return Decision(
            promoted=False,
            reason=f"{name} may lose more than {MOST_LOST_DB:g} dB: {in_words(losing[name])}",
        )
    return Decision(promoted=True, reason=f"it gains {in_words(overall)} on the gate set")


def in_words(estimate: Estimate) -> str:
    """As tables and pages print it."""
    return f"{estimate.value:+.2f} dB ({estimate.low:+.2f} to {estimate.high:+.2f})".replace("-", "−")
