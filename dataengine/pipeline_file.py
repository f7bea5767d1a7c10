"""The pipeline file as it is written: what it extends, what the command line sets, laid over each other.

Every layer may change a part of the one below: mappings are merged key by key, everything else is
replaced. `stages` is a list of names, each with its parameters or without:

    stages:
      - decode
      - caption: {max_prompts: 4}

In a file that extends another, and in `--set`, `stages` may be a mapping from names to the parameters that
change; a list replaces the whole list. `--set stages.caption.max_prompts=2` says the same as
`stages: {caption: {max_prompts: 2}}` in a file laid on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dataengine.errors import UserError
from dataengine.validation import suggestion
from dataengine.yaml_source import KeyPath, Located, load_located, parse_located, parse_value


class _Ancestor(NamedTuple):
    path: Path
    written: str


def read_pipeline_file(path: str | Path, overrides: Sequence[str] = ()) -> Located:
    """The pipeline at `path` with everything it extends and with `overrides` (`key=value`) on top.

    In the result `stages` is a mapping from names to parameters, in order, and `extends` is gone.
    Raises UserError for what cannot be read, a circle of files, and stages that are written wrongly.
    """
    return lay_overrides(_with_what_it_extends(Path(path), None, ()), overrides)


def parse_pipeline_text(text: str, source: str) -> Located:
    """The same for a pipeline that stands alone, as runs keep theirs; `source` is its name in messages."""
    layer = parse_located(text, source)
    return _lay_over(Located({}, {(): layer.where()}), layer)


def lay_overrides(pipeline: Located, overrides: Sequence[str]) -> Located:
    """A pipeline that was read, with `key=value` on top. Raises UserError as `read_pipeline_file` does."""
    for override in overrides:
        pipeline = _lay_over(pipeline, _parse_override(override))
    return pipeline


def _with_what_it_extends(path: Path, named_at: str | None, descendants: tuple[_Ancestor, ...]) -> Located:
    circle = [*descendants, _Ancestor(path.resolve(), str(path))]
    if any(each.path == path.resolve() for each in descendants):
        chain = " → ".join(each.written for each in circle)
        raise UserError(f"files extend each other in a circle: {chain}", where=named_at)
    layer = load_located(path, named_at=named_at)
    base = layer.data.pop("extends", None)
    if base is None:
        return _lay_over(Located({}, {(): layer.where()}), layer)
    where = layer.where("extends")
    if not isinstance(base, str):
        raise UserError("extends must name a file, relative to this one", where=where)
    return _lay_over(_with_what_it_extends(path.parent / base, where, tuple(circle)), layer)


def _parse_override(override: str) -> Located:
    place = f"--set {override}"
    key, sign, text = override.partition("=")
    keys = key.strip().split(".")
    if not sign or not all(keys):
        raise UserError(
            "write key=value, with dots between keys, as in stages.caption.max_prompts=2", where=place
        )
    data: Any = parse_value(text, place)
    for each in reversed(keys):
        data = {each: data}
    return Located(data, {tuple(keys[:end]): place for end in range(len(keys) + 1)})


def _lay_over(base: Located, top: Located) -> Located:
    """`top` laid over `base`; the places tell where each value was last written."""
    top, replaces_stages = _with_named_stages(top)
    if "stages" in top.data and not replaces_stages:
        _refuse_new_stages(base, top)
    places = dict(base.places)
    if replaces_stages:
        _forget(places, ("stages",))
    under = {k: v for k, v in base.data.items() if not (replaces_stages and k == "stages")}
    data = _merged(under, top.data, (), places)
    return Located(data, {**places, **{path: place for path, place in top.places.items() if path}})


def _with_named_stages(layer: Located) -> tuple[Located, bool]:
    """The layer with `stages` as a mapping, and whether it was a list, which replaces the one below."""
    if "stages" not in layer.data:
        return layer, False
    stages = layer.data["stages"]
    if isinstance(stages, list):
        return _named_by_list(layer, stages), True
    if not isinstance(stages, dict):
        raise UserError("stages must be a list of stages", where=layer.where("stages"))
    for name, parameters in stages.items():
        _check_parameters(name, parameters, layer.where("stages", name))
    return layer, False


def _named_by_list(layer: Located, stages: list[Any]) -> Located:
    places = {path: place for path, place in layer.places.items() if path[:1] != ("stages",)}
    places["stages",] = layer.where("stages")
    named: dict[str, dict[str, Any]] = {}
    for number, item in enumerate(stages):
        where = layer.where("stages", number)
        name, parameters = _name_and_parameters(item, where)
        if name in named:
            earlier = places["stages", name].rpartition(":")[2]
            raise UserError(f"stage {name!r} is listed twice, first in line {earlier}", where=where)
        named[name] = parameters
        places["stages", name] = where
        below = ("stages", number, name)
        for path, place in layer.places.items():
            if path[:3] == below and len(path) > len(below):
                places["stages", name, *path[3:]] = place
    return Located({**layer.data, "stages": named}, places)


def _name_and_parameters(item: Any, where: str) -> tuple[str, dict[str, Any]]:
    if isinstance(item, str):
        return item, {}
    if isinstance(item, dict) and len(item) == 1:
        name, parameters = next(iter(item.items()))
        _check_parameters(name, parameters, where)
        return name, parameters or {}
    raise UserError(
        "a stage is a name, or a name with its parameters: `- caption: {max_prompts: 4}`", where=where
    )


def _check_parameters(name: str, parameters: Any, where: str) -> None:
    if parameters is not None and not isinstance(parameters, dict):
        raise UserError(f"the parameters of stage {name!r} must be a mapping of keys to values", where=where)


def _refuse_new_stages(base: Located, top: Located) -> None:
    known = base.data.get("stages")
    if known is None:
        raise UserError(
            "stages must be a list; a mapping only changes the stages of the file that this one extends",
            where=top.where("stages"),
        )
    for name in top.data["stages"]:
        if name not in known:
            raise UserError(
                f"no stage {name!r} to change{suggestion(name, known)}", where=top.where("stages", name)
            )


def _merged(
    under: dict[str, Any], over: dict[str, Any], path: KeyPath, places: dict[KeyPath, str]
) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merged(below, value, (*path, key), places)
        elif not (value is None and isinstance(below, dict)):
            _forget(places, (*path, key))
            merged[key] = value
    return merged


def _forget(places: dict[KeyPath, str], path: KeyPath) -> None:
    """Drop the places of a value that is replaced, and of everything in it."""
    for each in [each for each in places if each[: len(path)] == path]:
        del places[each]
