"""The roles that models play, one protocol each.

A waveform is a 1-D float32 array, mono, full scale at ±1. Adapters resample by themselves: every call
says at which rate its waveforms are. Calls are batched: lists in, lists out, in the same order, and the
result for a waveform does not depend on what else is in the batch. Inputs are never written into. The
same array object may come several times in a call (candidates of one window share a mixture): an
adapter computes it once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

ROLES = (
    "tagger",
    "captioner",
    "phrase_extractor",
    "text_encoder",
    "text_audio_scorer",
    "aesthetics_scorer",
    "scene_complexity_scorer",
    "voice_activity_detector",
    "gender_classifier",
    "transcriber",
    "enhancer",
    "separator",
    "second_separator",
    "span_predictor",
    "codec",
    "frame_encoder",
    "object_tracker",
    "audio_visual_scorer",
)
"""Names of the roles in a profile, in the order of the protocols below; that of a codec, which only separators use, is
in `trainer/codec/role.py`."""

FILLED_AS = {"second_separator": "separator"}
"""A role that adapters of another fill: a model of the same kind, for a second opinion."""

Waveform: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Matrix: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Frames: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Spans: TypeAlias = tuple[tuple[float, float], ...]
"""Start and end of each, in seconds; sorted, not touching."""


@dataclass(frozen=True)
class ModelCard:
    """What provenance says of a model."""

    role: str
    adapter: str
    version: str
    digest: str
    """Hash of the weights that are used, 32 hexadecimal digits."""
    licence: str
    commercial: bool
    """Whether the licence of the weights allows commercial use."""
    source: str
    """Package or path the weights come from."""


class Model(Protocol):
    """What every adapter can say of itself."""

    @property
    def card(self) -> ModelCard:
        """What provenance says of it."""
        ...


@dataclass(frozen=True)
class Tags:
    """What a tagger hears in one waveform."""

    probabilities: Matrix
    """[frames, classes], 0..1."""
    embeddings: Matrix
    """[frames, dimensions]."""


class Tagger(Model, Protocol):
    """Names sound events from a closed list of classes, frame by frame."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        ...

    @property
    def embedding_width(self) -> int:
        """Dimensions of an embedding."""
        ...

    @property
    def hop_seconds(self) -> float:
        """Time from one frame to the next; frame `i` begins at `i · hop_seconds`."""
        ...

    @property
    def window_seconds(self) -> float:
        """How long a frame lasts."""
        ...

    def tag(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Tags]:
        """What is heard in each waveform; at least one frame each."""
        ...


class Captioner(Model, Protocol):
    """Says in a sentence or two what is heard (an audio-language model in the reference)."""

    def caption(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[str]:
        """What is heard in each waveform: one line of text without control characters, perhaps empty."""
        ...


@dataclass(frozen=True)
class SoundPhrase:
    """A sound that a caption names, as short as a prompt."""

    text: str
    """One line of at most 80 characters, none of them a control character."""
    speech: bool
    """The phrase asks for speech."""


@dataclass(frozen=True)
class ExtractedPhrases:
    """The sounds that a caption names."""

    phrases: tuple[SoundPhrase, ...]
    """In the extractor's order; at most 16."""
    error: str | None = None
    """Why there are none, where the extractor gave no answer that could be used."""


class PhraseExtractor(Model, Protocol):
    """Lists the sounds that captions name as short phrases (a language model in the reference)."""

    def extract(self, captions: Sequence[str]) -> list[ExtractedPhrases]:
        """The phrases of each caption. Raises OSError where a server that is asked is in trouble."""
        ...


class TextEncoder(Model, Protocol):
    """Turns text into unit vectors."""

    def encode(self, texts: Sequence[str]) -> Matrix:
        """[texts, dimensions], L2-normalised."""
        ...


class TokenEncoder(Model, Protocol):
    """Turns text into one vector a token, for cross-attention; not every text encoder can."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        ...

    def encode_tokens(self, texts: Sequence[str]) -> list[Matrix]:
        """For each text [tokens, width]; at least one token."""
        ...


@dataclass(frozen=True)
class ClipScore:
    """A score of a waveform, and of its frames where the model gives that."""

    clip: float
    """For the whole waveform."""
    frames: Matrix
    """[frames], the same score frame by frame; empty where the model gives none."""
    hop_seconds: float


class TextAudioScorer(Model, Protocol):
    """Agreement of a text and a waveform (CLAP in the reference)."""

    def score(self, texts: Sequence[str], waveforms: Sequence[Waveform], sample_rate: int) -> list[ClipScore]:
        """The agreement of each text with the waveform at the same place, −1..1."""
        ...


@dataclass(frozen=True)
class Aesthetics:
    """How listeners would rate a waveform, each from 1 to 10."""

    production_quality: float
    """How well it is recorded and produced."""
    production_complexity: float
    """How much sounds in it at once; low for a clean single source."""
    content_enjoyment: float
    content_usefulness: float
    """How well it would serve as material to create with."""


class AestheticsScorer(Model, Protocol):
    """Predicts ratings of listeners (Audiobox aesthetics in the reference)."""

    def rate(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Aesthetics]:
        """The ratings of each waveform."""
        ...


class SceneComplexityScorer(Model, Protocol):
    """How many kinds of sound a waveform holds (aesthetics PC in the reference; lower is cleaner)."""

    def complexity(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[ClipScore]:
        """One for each waveform, on the scale of the model."""
        ...


@dataclass(frozen=True)
class SpeechActivity:
    """Where a voice-activity detector hears speech."""

    probabilities: Matrix
    """[frames], 0..1."""
    hop_seconds: float


class VoiceActivityDetector(Model, Protocol):
    """Speech presence over time."""

    def detect(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[SpeechActivity]:
        """Where speech is heard in each waveform."""
        ...


@dataclass(frozen=True)
class Gender:
    """A classifier's opinion of a voice."""

    female: float
    """0..1; how sure the classifier is that the voice is a woman's."""


class GenderClassifier(Model, Protocol):
    """Tells a woman's from a man's voice in a waveform that holds speech."""

    def classify(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Gender]:
        """An opinion of the voice in each waveform."""
        ...


@dataclass(frozen=True)
class Transcript:
    """What is said in a waveform."""

    text: str
    """Empty where nothing is."""
    language: str
    """As the model calls it: `en`, `yue`."""


class Transcriber(Model, Protocol):
    """Writes down what is said (Whisper)."""

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Transcript]:
        """What is said in each waveform."""
        ...


@dataclass(frozen=True)
class VisualPrompt:
    """Where in a clip of video frames the object is to be seen; ValueError for what lies outside of a frame."""

    box: tuple[float, float, float, float] | None = None
    """Left, top, right and bottom, as fractions of the frame's width and height, 0..1."""
    points: tuple[tuple[float, float], ...] = ()
    """Points on the object: from the left and from the top, as fractions of the same."""
    seconds: float = 0.0
    """When it is there, from the start of the clip."""

    def __post_init__(self) -> None:
        if self.box is None and not self.points:
            raise ValueError("a visual prompt has a box or points")
        if self.box is not None:
            left, top, right, bottom = self.box
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(f"no box of fractions of a frame (left, top, right, bottom): {self.box}")
        if not all(0 <= each <= 1 for point in self.points for each in point):
            raise ValueError(f"points are fractions of a frame (from the left, from the top): {self.points}")
        if not 0 <= self.seconds < math.inf:
            raise ValueError(f"no time in a clip, in seconds: {self.seconds}")


@dataclass(frozen=True)
class Prompt:
    """What a separator, or a tracker, is asked for."""

    text: str | None = None
    speech: bool = False
    """The text asks for speech."""
    spans: tuple[tuple[float, float], ...] = ()
    """Seconds in which the target sounds; empty: not said."""
    visual: VisualPrompt | None = None
    """Where it is to be seen; None: not said."""
    seed: int = 0
    """Which answer is wanted of a separator that draws at random: the same seed, the same answer. To all others it
    means nothing."""


@dataclass(frozen=True)
class Stems:
    """A separator's answer; `target + residual` is the mixture to float32 rounding, or near it if the separator
    generates both."""

    target: Waveform
    residual: Waveform
    expected_gain_db: float | None = None
    """How much nearer the truth the separator itself expects the target to be than the mixture is, in dB of
    SI-SDR. None if it cannot tell."""


class Separator(Model, Protocol):
    """Takes what a prompt names out of a mixture."""

    def separate(
        self, mixtures: Sequence[Waveform], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        """What each prompt names in the mixture at the same place, and the rest."""
        ...


@dataclass(frozen=True)
class Enhanced:
    """The speech an enhancer hears in a mixture: of its length, at the level it has there, not delayed."""

    speech: Waveform
    doubt: Waveform | None = None
    """What two estimates of the speech differ by, halved, if the enhancer makes two: a guess at its error."""


class Enhancer(Model, Protocol):
    """Takes the speech out of mixtures, without being asked for anything."""

    def enhance(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Enhanced]:
        """The speech in each waveform."""
        ...


class SpanPredictor(Model, Protocol):
    """Says when what a text names is heard (PE-A-Frame in the reference)."""

    def predict(self, texts: Sequence[str], waveforms: Sequence[Waveform], sample_rate: int) -> list[Spans]:
        """When each text is heard in the waveform at the same place; none if it is not."""
        ...


class FrameEncoder(Model, Protocol):
    """Turns video frames into vectors, for a separator's visual prompts (Perception Encoder in the reference)."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        ...

    def encode_frames(self, clips: Sequence[Frames]) -> list[Matrix]:
        """For each clip of frames [time, height, width, 3] vectors [time, width], L2-normalised."""
        ...


class ObjectTracker(Model, Protocol):
    """Follows an object through video frames (SAM 2 and SAM 3 in the reference).

    Which of a prompt's fields it goes by, its adapter says (`Adapter.prompts`).
    """

    def track(self, frames: Sequence[Frames], prompts: Sequence[Prompt], hop_seconds: float) -> list[Frames]:
        """For each clip of frames [time, height, width, 3] a mask [time, height, width]; 1 = the object, 0 = the rest.

        Frame `i` of a clip is seen at `i · hop_seconds`. Raises ValueError for a prompt that lacks what the
        tracker goes by.
        """
        ...


class AudioVisualScorer(Model, Protocol):
    """Agreement of a waveform and the masked region of a video (ImageBind in the reference)."""

    def score(
        self,
        waveforms: Sequence[Waveform],
        sample_rate: int,
        frames: Sequence[Frames],
        masks: Sequence[Frames | None],
        hop_seconds: float,
    ) -> Matrix:
        """[waveforms], the agreement of each with the frames at the same place where its mask is 1, −1..1.

        Without a mask the whole frame counts. Frame `i` is seen at `i · hop_seconds` of the waveform; there is at
        least one.
        """
        ...
