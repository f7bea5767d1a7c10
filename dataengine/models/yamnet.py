"""YAMNet as tagger: 521 AudioSet classes, one frame each 0.48 s.

The weights come from the package `sead`, as a graph quantised for a phone (8-bit activations, one patch
at a time). Taking its quantise/dequantise nodes out leaves the network it was made from, with 8-bit
weights but float activations, any number of patches a call, and the embedding.
"""

from __future__ import annotations

import csv
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.models.adapter import Adapter, PackagedWeights, Runtime
from dataengine.models.onnx_session import open_session
from dataengine.models.remembered import Remembered
from dataengine.models.roles import Matrix, ModelCard, Tags, Waveform
from dataengine.models.waveforms import fingerprint, resample

WEIGHTS = PackagedWeights(
    distribution="sead",
    version="0.2.1",
    files=("sead/data/YamNet_w8a8.onnx.zip", "sead/data/yamnet_class_map.csv"),
    licence="not stated by sead (YAMNet by Google: Apache-2.0; this export: Qualcomm AI Hub)",
    commercial=False,
)

# Front end of YAMNet (tensorflow/models, research/audioset/yamnet: params.py, features.py).
SAMPLE_RATE = 16_000
WINDOW = 400
HOP = 160
FFT = 512
BANDS = 64
LOWEST_HZ, HIGHEST_HZ = 125.0, 7_500.0
LOG_OFFSET = 1e-3  # sead itself uses 1e-6; the graph's input scale, 0.0479 × 144 = −ln 1e-3, says otherwise
PATCH = 96
PATCH_HOP = 48
PATCH_SAMPLES = (PATCH - 1) * HOP + WINDOW
PATCHES_PER_CALL = 40
REMEMBERED = 256  # waveforms whose tags are kept: several stages ask for the same ones


class YamNetAdapter(Adapter):
    """The tagger has no options."""

    role = "tagger"

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return WEIGHTS.card(self, name)

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> YamNet:
        """See Adapter."""
        archive, class_map = WEIGHTS.paths()
        return YamNet(card, open_session(float_graph(archive), runtime), class_names(class_map))


class YamNet:
    """A Tagger: probabilities of AudioSet classes and 1024-d embeddings."""

    embedding_width = 1024
    hop_seconds = PATCH_HOP * HOP / SAMPLE_RATE
    window_seconds = PATCH_SAMPLES / SAMPLE_RATE

    def __init__(self, card: ModelCard, session: Any, classes: tuple[str, ...]) -> None:
        self.card = card
        self.classes = classes
        self._session = session
        self._remembered: Remembered[bytes, Tags] = Remembered(REMEMBERED)

    def tag(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Tags]:
        """See Tagger; frame `i` begins at 0.48·i s and lasts 0.975 s; what it lacks at the end is silence."""
        keys = [fingerprint(waveform, sample_rate) for waveform in waveforms]
        known = self._remembered.answers(
            dict(zip(keys, waveforms, strict=True)), lambda new: self._hear(new, sample_rate)
        )
        return [known[key] for key in keys]

    def _hear(self, waveforms: list[Waveform], sample_rate: int) -> list[Tags]:
        patches = [log_mel_patches(resample(waveform, sample_rate, SAMPLE_RATE)) for waveform in waveforms]
        together = np.concatenate(patches)
        answers = [
            self._session.run(None, {"audio": together[start : start + PATCHES_PER_CALL]})
            for start in range(0, len(together), PATCHES_PER_CALL)
        ]
        scores, embeddings = (np.concatenate(each) for each in zip(*answers, strict=True))
        ends = np.cumsum([len(each) for each in patches])[:-1]
        return list(map(Tags, np.split(_sigmoid(scores), ends), np.split(embeddings, ends)))


def log_mel_patches(waveform: Waveform) -> Matrix:
    """YAMNet's input [patches, 1, 96, 64] from a waveform at 16 kHz."""
    spare = max(len(waveform) - PATCH_SAMPLES, 0)
    patches = 1 + -(-spare // (PATCH_HOP * HOP))
    padded = np.zeros(PATCH_SAMPLES + (patches - 1) * PATCH_HOP * HOP, dtype=np.float32)
    padded[: len(waveform)] = waveform
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    magnitudes = np.abs(np.fft.rfft(frames * _hann(), FFT)).astype(np.float32)
    log_mel = np.log(magnitudes @ _mel_filters() + np.float32(LOG_OFFSET))
    windows = np.lib.stride_tricks.sliding_window_view(log_mel, PATCH, axis=0)[::PATCH_HOP]
    return np.ascontiguousarray(windows.transpose(0, 2, 1)[:, None])


def float_graph(archive: Path) -> bytes:
    """The float network in the quantised graph: logits [patches, 521] and embeddings [patches, 1024]."""
    import onnx
    from onnx import numpy_helper

    model = _read_archive(archive)
    graph = model.graph
    plain: dict[str, str] = {}  # quantised or dequantised tensor → the float tensor it stands for
    layers = []
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            plain[node.output[0]] = plain.get(node.input[0], node.input[0])
        else:
            layers.append(node)
    for node in layers:
        node.input[:] = [plain.get(name, name) for name in node.input]
    reshape = next(node for node in layers if node.op_type == "Reshape")
    logits = plain[graph.output[0].name]
    used = {name for node in layers for name in node.input}
    arrays = [each for each in graph.initializer if each.name in used and each.name != reshape.input[1]]
    arrays.append(numpy_helper.from_array(np.array([-1, 1024], np.int64), reshape.input[1]))
    value = onnx.helper.make_tensor_value_info
    floats = onnx.TensorProto.FLOAT
    rebuilt = onnx.helper.make_graph(
        layers,
        "yamnet",
        [value(graph.input[0].name, floats, ["patches", 1, PATCH, BANDS])],
        [value(logits, floats, ["patches", 521]), value(reshape.output[0], floats, ["patches", 1024])],
        arrays,
    )
    result = onnx.helper.make_model(rebuilt, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(result)
    serialised: bytes = result.SerializeToString()
    return serialised


def class_names(class_map: Path) -> tuple[str, ...]:
    """Display names of the 521 classes, in the order of the outputs."""
    with class_map.open(newline="", encoding="utf-8") as file:
        return tuple(row["display_name"] for row in csv.DictReader(file))


def _read_archive(archive: Path) -> Any:
    import onnx

    with zipfile.ZipFile(archive) as members, tempfile.TemporaryDirectory() as folder:
        for member in members.infolist():
            if not member.is_dir():
                Path(folder, Path(member.filename).name).write_bytes(members.read(member))
        return onnx.load(str(Path(folder, "model.onnx")))


@cache
def _hann() -> Matrix:
    periodic: Matrix = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    return periodic


@cache
def _mel_filters() -> Matrix:
    """[257, 64]: triangles over the HTK mel scale (`tf.signal.linear_to_mel_weight_matrix`)."""

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    bins = mel(np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT)[:, None]
    edges = np.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    filters = np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    filters[0] = 0  # the constant part is left out
    single: Matrix = filters.astype(np.float32)
    return single


def _sigmoid(logits: Matrix) -> Matrix:
    probabilities: Matrix = np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * logits))
    return probabilities
