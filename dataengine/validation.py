"""Settings that people write, checked against a pydantic model: one clear line for the first fault."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from dataengine.errors import UserError
from dataengine.yaml_source import Located

MANY = 15
"""More names than this are not listed in a message."""

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], located: Located, what: str) -> Model:
    """Build `model` from what a file says; `what` names the thing in messages, as in "stage 'caption'".

    Types are strict: text is no number, and 4.0 no integer.
    Raises UserError, with the place of the value, for an unknown key, a missing key or a wrong value.
    """
    try:
        return model.model_validate_json(json.dumps(located.data), strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    raise UserError(_sentence(model, dict(fault), what), where=located.where(*fault["loc"]))


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the one that was probably meant, or the few there are."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(names)}" if 0 < len(names) <= MANY else ""


def _sentence(model: type[BaseModel], fault: dict[str, Any], what: str) -> str:
    loc: tuple[str | int, ...] = fault["loc"]
    if fault["type"] == "extra_forbidden":
        inner = _model_at(model, loc[:-1])
        known = inner.model_fields if inner else ()
        return f"unknown key {_dotted(loc)!r} in {what}{suggestion(str(loc[-1]), known)}"
    if fault["type"] == "missing":
        return f"{what} lacks the key {_dotted(loc)!r}"
    said = fault["msg"].removeprefix("Value error, ").replace("Input should", "should")
    if not loc:
        return f"{what}: {said}"
    name = f"{_dotted(loc)} in {what}"
    if fault["type"] == "value_error":
        return f"{name}: {said}"
    return f"{name} {said}, not {_short(fault['input'])}"


def _dotted(loc: Iterable[str | int]) -> str:
    return ".".join(map(str, loc))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _model_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model whose keys stand at `loc`, as far as the annotations tell."""
    current: type[BaseModel] | None = model
    for key in loc:
        if current is not None and isinstance(key, str) and key in current.model_fields:
            current = _model_in(current.model_fields[key].annotation)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each))), None)
