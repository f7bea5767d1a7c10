"""What differs between two pipelines, in words: the reason why their runs do not mix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Differences between two `Pipeline.identity`, a phrase each; none if they are equal."""
    old, new = _stages(before), _stages(now)
    both = [name for name in old if name in new]
    found = [f"stage {name} is gone" for name in old if name not in new]
    found += [f"stage {name} is new" for name in new if name not in old]
    if both != [name for name in new if name in old]:
        found.append(f"the stages come in another order: {', '.join(new)}")
    for name in both:
        found += _value_changes(old[name], new[name], name)
    return found + _value_changes(_without_stages(before), _without_stages(now))


def _stages(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {each["stage"]: each for each in identity["stages"]}


def _without_stages(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in identity.items() if key != "stages"}


def _value_changes(before: Mapping[str, Any], now: Mapping[str, Any], under: str = "") -> list[str]:
    old, new = _flat(before, under), _flat(now, under)
    keys = dict.fromkeys([*old, *new])
    return [f"{key}: {_shown(old, key)} → {_shown(new, key)}" for key in keys if old.get(key) != new.get(key)]


def _flat(value: Any, path: str) -> dict[str, Any]:
    """Dotted paths to the plain values in nested mappings and lists."""
    if isinstance(value, Mapping):
        inner = [(str(key), each) for key, each in value.items()]
    elif isinstance(value, list | tuple):
        inner = [(str(number), each) for number, each in enumerate(value)]
    else:
        return {path: value}
    parts = [_flat(each, f"{path}.{key}" if path else key) for key, each in inner]
    return {key: each for part in parts for key, each in part.items()}


def _shown(flat: Mapping[str, Any], path: str) -> str:
    return json.dumps(flat[path], ensure_ascii=False) if path in flat else "absent"
