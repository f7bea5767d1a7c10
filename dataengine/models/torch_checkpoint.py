"""Checkpoints that `torch.save` wrote, read without running what they hold."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.errors import UserError


def read_checkpoint(path: Path, source: str, classes: Sequence[type] = ()) -> dict[str, Any]:
    """The mapping in a checkpoint, its tensors on the CPU.

    Tensors, plain containers, numbers and text are read; NumPy's arrays and numbers too, as weights and beside them (a
    best score, say); and `classes`, which must be harmless to name and to call. Raises UserError for a file that holds
    anything else or is no checkpoint.
    """
    import torch

    kinds = [type(np.dtype(each)) for each in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    scalar = np.float64(0).__reduce__()[0]
    array = np.zeros(0).__reduce__()[0]
    harmless: list[Any] = [np.dtype, np.ndarray, *kinds, *classes]
    for module in ("core", "_core"):
        harmless += [(scalar, f"numpy.{module}.multiarray.scalar")]
        harmless += [(array, f"numpy.{module}.multiarray._reconstruct")]
    try:
        with torch.serialization.safe_globals(harmless):
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{source} cannot be read as a checkpoint of tensors: {reason}") from error
    if not isinstance(stored, dict):
        raise UserError(f"{source} holds no weights by name but {type(stored).__name__}")
    return stored
