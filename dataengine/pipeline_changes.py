"""What differs between two pipelines, in words: the reason why their runs do not mix."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

CHANGES_SHOWN = 6
"""The changes that a message names; of the others it gives the number."""
LONGEST_VALUE = 48
"""Characters of a value that are shown."""


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Differences between two `Pipeline.identity`, a phrase each; none if they are equal."""
    old, new = _stages(before), _stages(now)
    both = [name for name in old if name in new]
    found = [f"stage {name} is gone" for name in old if name not in new]
    found += [f"stage {name} is new" for name in new if name not in old]
    if both != [name for name in new if name in old]:
        found.append(f"the stages come in another order: {', '.join(new)}")
    for name in both:
        found += _differences(old[name], new[name], name)
    return found + _differences(_without_stages(before), _without_stages(now), "")


def in_one_line(phrases: Sequence[str]) -> str:
    """The first of the phrases, and how many more there are."""
    more = len(phrases) - CHANGES_SHOWN
    return "; ".join([*phrases[:CHANGES_SHOWN], *([f"and {more} more changes"] if more > 0 else [])])


def _stages(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {each["stage"]: each for each in identity["stages"]}


def _without_stages(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in identity.items() if key != "stages"}


def _differences(before: Any, now: Any, path: str) -> list[str]:
    """What differs between two values of a pipeline's identity, a phrase for each place."""
    if before == now:
        return []
    old, new = _entries(before), _entries(now)
    if old is None or new is None:
        return [f"{path}: {_shown(before)} → {_shown(now)}"]
    found: list[str] = []
    for key in dict.fromkeys([*old, *new]):
        inner = f"{path}.{key}" if path else key
        if key not in new:
            found.append(f"{inner} is gone")
        elif key not in old:
            found.append(f"{inner} is new ({_shown(new[key])})")
        else:
            found += _differences(old[key], new[key], inner)
    return found


def _entries(value: Any) -> dict[str, Any] | None:
    """What a mapping or list holds, by key; entries of a list go by their `name` if they have one."""
    if isinstance(value, Mapping):
        return {str(key): each for key, each in value.items()}
    if not isinstance(value, list | tuple):
        return None
    names = [each.get("name") if isinstance(each, Mapping) else None for each in value]
    if not all(names) or len(set(names)) < len(names):
        names = list(range(len(value)))
    return {str(name): each for name, each in zip(names, value, strict=True)}


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        value = {key: each for key, each in value.items() if each is not None and key != "name"}
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
