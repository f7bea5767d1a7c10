"""What the network is told: the mixture, and text, video and span prompts, each of which may be missing."""

from trainer.conditions.batch import Conditions
from trainer.conditions.dropping import Dropped, DropProbabilities
from trainer.conditions.mixture import mixture_features, mixture_width
from trainer.conditions.spans import SpanGate, span_tokens
from trainer.conditions.text import TextMemory, TextStates
from trainer.conditions.video import VideoGate, nearest_features

__all__ = [
    "Conditions",
    "DropProbabilities",
    "Dropped",
    "SpanGate",
    "TextMemory",
    "TextStates",
    "VideoGate",
    "mixture_features",
    "mixture_width",
    "nearest_features",
    "span_tokens",
]
