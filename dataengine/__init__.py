"""dataengine: a data engine and pseudo-labelling framework for promptable audio separation.

The public import surface is `Stage`, `Pipeline`, `run` and `Separator`. Names are imported when they
are first used, so that `import dataengine` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataengine.engine.stage import Stage as Stage
    from dataengine.pipeline import Pipeline as Pipeline
    from dataengine.runner import run as run
    from trainer.separator import Separator as Separator

_HOMES = {
    "Stage": "dataengine.engine.stage",
    "Pipeline": "dataengine.pipeline",
    "run": "dataengine.runner",
    "Separator": "trainer.separator",
}

__all__ = ["Pipeline", "Separator", "Stage", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dataengine' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
