"""voice2gender as gender classifier: 20 acoustic features of a voice, judged by boosted trees.

The features are those of R's warbleR and seewave, in which the Voice Gender data set was made, as the
package computes them; frames are taken together here instead of one by one. The package's XGBoost model
lies as a literal in its source, which is read and never run: importing XGBoost costs 200 MB and seconds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.errors import UserError
from dataengine.models.adapter import Adapter, PackagedWeights, Runtime
from dataengine.models.pitch import median_pitch
from dataengine.models.roles import Gender, Matrix, ModelCard, Waveform
from dataengine.models.voice_features import SAMPLE_RATE, voice_features
from dataengine.models.waveforms import distinct, resample

WEIGHTS = PackagedWeights(
    distribution="voice2gender",
    version="0.1.1",
    files=("voice2gender/_model.py",),
    licence="MIT (package); trained on Kaggle's Voice Gender data set, whose terms are its own",
    commercial=False,
)

UNDECIDED = Gender(0.5)

LOWEST_WOMAN_HZ = 165.0
"""Mean pitches of adults: men about 85–155 Hz, women 165–255 Hz (Titze, Principles of Voice Production)."""


class Voice2GenderAdapter(Adapter):
    """The classifier has no options."""

    role = "gender_classifier"
    revision = "2"

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        return WEIGHTS.card(self, name)

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> Voice2Gender:
        """See Adapter."""
        (source,) = WEIGHTS.paths()
        return Voice2Gender(card, read_trees(source))


class Voice2Gender:
    """A GenderClassifier; 0.5 where there is no voice to judge, or its pitch speaks against the trees.

    The trees alone take many a high man's voice, or a voice on the telephone, for a woman's and are sure of
    it; pitch alone errs where something else sounds. They rarely err together.
    """

    def __init__(self, card: ModelCard, trees: BoostedTrees) -> None:
        self.card = card
        self._trees = trees

    def classify(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Gender]:
        """See GenderClassifier."""
        different, places = distinct(waveforms)
        opinions = [self._judge(resample(waveform, sample_rate, SAMPLE_RATE)) for waveform in different]
        return [opinions[place] for place in places]

    def _judge(self, waveform: Waveform) -> Gender:
        features = voice_features(waveform)
        if features is None:
            return UNDECIDED
        female = self._trees.probability(features)
        pitch = median_pitch(waveform, SAMPLE_RATE)
        agreed = pitch >= LOWEST_WOMAN_HZ if female > 0.5 else pitch < LOWEST_WOMAN_HZ
        return Gender(female) if agreed else UNDECIDED


@dataclass(frozen=True)
class BoostedTrees:
    """Binary trees [trees, nodes], each walked from node 0; a leaf is its own child."""

    left: np.ndarray[Any, np.dtype[np.int64]]
    right: np.ndarray[Any, np.dtype[np.int64]]
    feature: np.ndarray[Any, np.dtype[np.int64]]
    threshold: Matrix
    """What a feature must be below to go left; at a leaf, its value."""
    bias: float

    def probability(self, features: Matrix) -> float:
        """Probability of the positive class for the features [features]."""
        trees = np.arange(len(self.left))
        node = np.zeros(len(trees), dtype=np.int64)
        while True:
            goes_left = features[self.feature[trees, node]] < self.threshold[trees, node]
            following = np.where(goes_left, self.left[trees, node], self.right[trees, node])
            if np.array_equal(following, node):
                break
            node = following
        margin = self.bias + float(self.threshold[trees, node].sum(dtype=np.float64))
        return float(1 / (1 + np.exp(-margin)))


def read_trees(source: Path) -> BoostedTrees:
    """The trees of the XGBoost model that stands as a dictionary in a Python source.

    Raises UserError if there is none.
    """
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict) and any(_is(key, "learner") for key in node.keys):
            learner = _plain(node)["learner"]
            break
    else:
        raise UserError(
            f"{source} holds no XGBoost model; reinstall {WEIGHTS.distribution}=={WEIGHTS.version}"
        )
    trees = learner["gradient_booster"]["model"]["trees"]
    nodes = max(len(tree["left_children"]) for tree in trees)
    left, right, feature = (np.zeros((len(trees), nodes), dtype=np.int64) for _ in range(3))
    threshold = np.zeros((len(trees), nodes), dtype=np.float32)
    for row, tree in enumerate(trees):
        size = len(tree["left_children"])
        own = np.arange(size)
        children = np.array(tree["left_children"]), np.array(tree["right_children"])
        left[row, :size], right[row, :size] = (np.where(each < 0, own, each) for each in children)
        feature[row, :size] = tree["split_indices"]
        threshold[row, :size] = tree["split_conditions"]
    base = float(learner["learner_model_param"]["base_score"].strip("[]"))
    return BoostedTrees(left, right, feature, threshold, float(np.log(base / (1 - base))))


def _is(key: ast.expr | None, name: str) -> bool:
    return isinstance(key, ast.Constant) and key.value == name


def _plain(node: ast.Dict) -> Any:
    """The dictionary without its names of variables, which stand for lists of feature names."""

    class Unnamed(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.expr:
            return ast.copy_location(ast.Constant(None), name)

    return ast.literal_eval(Unnamed().visit(node))
