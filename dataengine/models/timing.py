"""How long a process has spent inside models."""

from __future__ import annotations

import time
from functools import wraps
from typing import Any

_spent = 0.0


class Timed:
    """A model whose method calls are counted; everything else is the model's own."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._model, name)
        return _counted(value) if callable(value) else value


def seconds_in_models() -> float:
    """Wall seconds that calls of `Timed` models have taken in this process so far."""
    return _spent


def _counted(method: Any) -> Any:
    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        global _spent
        began = time.perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            _spent += time.perf_counter() - began

    return call
