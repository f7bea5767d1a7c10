"""ONNX Runtime sessions as all adapters open them, and graphs written as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.errors import UserError
from dataengine.models.adapter import Runtime


def open_session(model: Path | bytes, runtime: Runtime) -> Any:
    """An `onnxruntime.InferenceSession` on the runtime's device, with its number of threads.

    Raises UserError if the device is not one that the installed ONNX Runtime can use.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=_providers(runtime.device))


def build_graph(text: str, weights: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """A serialised ONNX model from its textual form and the arrays that the text names."""
    from onnx import checker, numpy_helper, parser

    model = parser.parse_model(text)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in weights.items()
    )
    checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def _providers(device: str) -> list[Any]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise UserError(
            f"the installed ONNX Runtime cannot use device {device!r}; "
            "install onnxruntime-gpu in its place, or set `device: cpu` in the profile"
        )
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]
