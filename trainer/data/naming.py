"""What a sample's target and mixture may be called, from the phrases of the stems they are made of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import BaseModel


class Stems(BaseModel):
    """A sample's stems, as `stages/stems.yaml` notes them; pseudo-labels have none."""

    stem_phrases: list[list[str]] | None = None
    """Of each stem of the mixture, the phrases that name it, from general to specific."""
    target_stems: list[int] | None = None
    """Positions of the stems that the target is made of."""


@dataclass(frozen=True)
class Naming:
    """What a sound is called."""

    names: tuple[str, ...] = ()
    """Texts that name all of it, the most specific first."""
    parts: tuple[str, ...] = ()
    """Texts that name some of it."""
    rest: tuple[str, ...] = ()
    """Texts that name some of what else sounds in its mixture."""


def naming_of_target(stems: Stems) -> Naming:
    """Of the target; nothing is known without stems. Raises IndexError where the stems are not there."""
    phrases, chosen = stems.stem_phrases or [], set(stems.target_stems or [])
    rest = [each for place, each in enumerate(phrases) if place not in chosen]
    return _naming([phrases[place] for place in sorted(chosen)], rest)


def naming_of_mixture(stems: Stems) -> Naming:
    """Of the whole mixture."""
    return _naming(stems.stem_phrases or [], ())


def _naming(stems: Sequence[Sequence[str]], rest: Collection[Sequence[str]]) -> Naming:
    if not stems:
        return Naming()
    first, *others = stems
    return Naming(
        names=tuple(each for each in reversed(first) if all(each in other for other in others)),
        parts=_all_of(stems),
        rest=_all_of(rest),
    )


def _all_of(stems: Collection[Sequence[str]]) -> tuple[str, ...]:
    return tuple(sorted({phrase for phrases in stems for phrase in phrases}))
