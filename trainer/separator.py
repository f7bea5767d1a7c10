"""The separator, for those who use it: a mixture and a prompt in, target and residual out.

separator = Separator.from_pretrained("path/or/hub-id")
target, residual = separator.separate(mixture, sample_rate=48_000, text="dog barking")
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import ModelHubMixin, snapshot_download
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from dataengine.errors import UserError
from dataengine.models.overlapping_windows import Window, crossfaded, windows_of
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Matrix, TokenEncoder, Waveform
from dataengine.models.waveforms import fitted, resample
from manifests.identity import seed_of
from trainer.bundled import BUNDLED, place_of
from trainer.codec import CodecConfig, LinearCodec, MdctConfig
from trainer.conditions import Conditions, TextStates, span_tokens
from trainer.conditions.spans import Spans
from trainer.consistency import consistent
from trainer.data.mixing import gain_to
from trainer.flow.sampling import SamplingConfig, sample
from trainer.model import ModelConfig, SeparationModel

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

LEVEL_DBFS = -25.0
"""What a window is brought to before it is separated: the middle of the levels that training mixes at."""


@dataclass(frozen=True)
class SeparatorConfig:
    """Everything but the weights."""

    model: ModelConfig
    codec: CodecConfig = field(default_factory=MdctConfig)
    profile: str = "embedded"
    """Whose text encoder the prompts went through in training, and whose codec it is if that has weights."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """The default; `separate` may ask for others."""
    window_seconds: float = 10.0
    """What is longer is separated in windows …"""
    overlap_seconds: float = 2.0
    """… that overlap by so much, and are faded into each other there."""
    shifts: int = 1
    """A window is heard so many times, its frames begun a little later each time, and the mean is the answer
    (cycle spinning, Coifman & Donoho 1995): errors of a transform that is not shift-invariant average out."""
    floor: float = 0.0
    """0..1, how much of the mixture stays in the target whatever is found, as the spectral floor of noise reduction
    (Berouti et al. 1979): where the wrong sound was taken for the target, some of the right one is there too."""
    windows_a_batch: int = 8
    """On an accelerator."""


CONFIG = TypeAdapter(SeparatorConfig)


@dataclass(frozen=True)
class Prompted:
    """A mixture and what is wanted of it."""

    mixture: Waveform
    """[samples] mono float32."""
    text: str | None
    spans: Spans = ()
    """Seconds, from the start of the mixture, in which the target sounds."""
    seed: int = 0
    """Decides the noise that the flow starts from."""


@dataclass(frozen=True)
class Piece:
    """A window of a mixture."""

    prompt: Prompted
    window: Window
    mixture: Waveform
    """[window.length]"""


@dataclass(frozen=True)
class Heard:
    """What was found in a mixture or a piece of one; of its length."""

    target: Waveform
    residual: Waveform
    """What is left of the mixture, or what was generated beside the target (see `Separator.adds_up`)."""
    doubt: Waveform
    """Standard deviation of the times the target was heard, sample by sample; zeros where that was once."""


class Separator(ModelHubMixin, library_name="dataengine", license="apache-2.0"):
    """A trained model with its codec and its text encoder."""

    def __init__(
        self, config: SeparatorConfig, model: SeparationModel, text_encoder: TokenEncoder | None = None
    ) -> None:
        """Without a text encoder, that of the configuration's profile is loaded when it is needed."""
        self.config = config
        self.model = model.eval()
        self.codec = config.codec.build(config.profile)
        self._text_encoder = text_encoder

    def to(self, device: torch.device | str) -> Separator:
        """Itself, on another device; the codec goes where the network is."""
        self.model.to(device)
        return self

    @property
    def sample_rate(self) -> int:
        """Hz; at which the model works."""
        return self.config.codec.sample_rate

    @property
    def adds_up(self) -> bool:
        """Whether target and residual add up to the mixture, to float32 rounding.

        With a linear codec they do. With any other both are generated, as in the reference, and their sum is near the
        mixture as far as the network learnt that and the codec can render it.
        """
        return isinstance(self.codec, LinearCodec)

    @property
    def windows_a_batch(self) -> int:
        """Windows that are worked on together. On a processor one: together they would take four fifths of the time,
        but alone, what becomes of a window is the same to the bit whatever else there is to do."""
        on_processor = next(self.model.parameters()).device.type == "cpu"
        return 1 if on_processor else self.config.windows_a_batch

    def separate(
        self,
        mixture: Waveform,
        *,
        sample_rate: int,
        text: str | None = None,
        spans: Spans = (),
        sampling: SamplingConfig | None = None,
        seed: int = 0,
    ) -> tuple[Waveform, Waveform]:
        """Target and residual of a mixture; whether they add up to it, `adds_up` says.

        Args:
            mixture: [samples] mono float32, of any length.
            sample_rate: of the mixture and of the answer, in Hz. What lies above half of the model's rate is
                in the residual, if that is what is left, or lost.
            text: what to take out; None if spans say it.
            spans: (start, end) in seconds where the target sounds.
            sampling: steps and solver, if others than the default.
            seed: decides the noise that the flow starts from.
        """
        prompt = Prompted(mixture, text, spans, seed)
        ((target, residual),) = self.separate_batch([prompt], sample_rate=sample_rate, sampling=sampling)
        return target, residual

    def separate_batch(
        self, prompted: Sequence[Prompted], *, sample_rate: int, sampling: SamplingConfig | None = None
    ) -> list[tuple[Waveform, Waveform]]:
        """The same for several mixtures at once; what becomes of one does not depend on the others."""
        at_our_rate = [
            replace(each, mixture=resample(each.mixture, sample_rate, self.sample_rate)) for each in prompted
        ]
        return [
            self.stems(given.mixture, heard, sample_rate)
            for given, heard in zip(prompted, self.hear(at_our_rate, sampling), strict=True)
        ]

    def stems(self, mixture: Waveform, heard: Heard, sample_rate: int) -> tuple[Waveform, Waveform]:
        """Target and residual of a mixture at its own rate, from what was heard in it at the separator's."""
        target, residual = (
            fitted(resample(each, self.sample_rate, sample_rate), len(mixture))
            for each in (heard.target, heard.residual)
        )
        return target, self.left(mixture, target, residual)

    def left(self, mixture: Waveform, target: Waveform, residual: Waveform) -> Waveform:
        """The residual that belongs to a target: the rest of the mixture where stems add up, else the generated one."""
        return mixture - target if self.adds_up else residual

    def hear(self, prompted: Sequence[Prompted], sampling: SamplingConfig | None = None) -> list[Heard]:
        """The target in each mixture, with the doubt about it; all at the separator's rate."""
        pieces = [
            Piece(each, window, each.mixture[window.start : window.end])
            for each in prompted
            for window in self.windows(len(each.mixture))
        ]
        found = iter(zip(pieces, self.hear_pieces(pieces, sampling), strict=True))
        heard = []
        for each in prompted:
            own = list(islice(found, len(list(self.windows(len(each.mixture))))))
            stretches = crossfaded(
                (piece.window, np.stack([found.target, found.residual, found.doubt])) for piece, found in own
            )
            heard.append(Heard(*np.concatenate(list(stretches), axis=-1)))
        return heard

    def windows(self, samples: int) -> Iterator[Window]:
        """The windows in which a mixture of so many samples is separated."""
        length, overlap = (
            round(seconds * self.sample_rate)
            for seconds in (self.config.window_seconds, self.config.overlap_seconds)
        )
        return windows_of(samples, length, overlap)

    def hear_pieces(self, pieces: Sequence[Piece], sampling: SamplingConfig | None = None) -> list[Heard]:
        """The target in each piece. Pieces of one length are worked on together, so that none is padded."""
        heard: dict[int, Heard] = {}
        by_length = sorted(range(len(pieces)), key=lambda place: pieces[place].window.length)
        for _, places in groupby(by_length, key=lambda place: pieces[place].window.length):
            while some := list(islice(places, self.windows_a_batch)):
                batch = [pieces[place] for place in some]
                heard |= zip(some, self._hear(batch, sampling or self.config.sampling), strict=True)
        return [heard[place] for place in range(len(pieces))]

    @torch.inference_mode()
    def _hear(self, pieces: Sequence[Piece], sampling: SamplingConfig) -> list[Heard]:
        """Pieces of one length, at one level, as often as the configuration says."""
        gains = [gain_to(piece.mixture, LEVEL_DBFS, self.sample_rate) for piece in pieces]
        levelled = np.stack([gain * piece.mixture for gain, piece in zip(gains, pieces, strict=True)])
        hop, times, floor = self.config.codec.hop, self.config.shifts, np.float32(self.config.floor)
        found = np.stack(
            [self._stems(pieces, levelled, number * hop // times, sampling) for number in range(times)]
        )
        targets, residuals = (1 - floor) * found.mean(axis=0)
        targets += floor * levelled
        doubts = (1 - floor) * found[:, 0].std(axis=0)
        return [
            Heard(target / gain, residual / gain, doubt / gain)
            for target, residual, doubt, gain in zip(targets, residuals, doubts, gains, strict=True)
        ]

    def _stems(
        self, pieces: Sequence[Piece], mixtures: Matrix, shift: int, sampling: SamplingConfig
    ) -> Matrix:
        """Stems [2, pieces, samples] in mixtures [pieces, samples], heard with `shift` samples of silence before."""
        device = next(self.model.parameters()).device
        codec = self.codec.to(device)
        waveforms = torch.from_numpy(np.pad(mixtures, ((0, 0), (shift, 0)))).to(device)
        mixture = codec.encode(waveforms)
        states, mask = self._texts.batch([piece.prompt.text for piece in pieces])
        conditions = Conditions(
            mixture=mixture,
            text=states,
            text_mask=mask,
            spans=torch.stack([self._span_tokens(each.prompt, each.window, shift) for each in pieces]),
        ).to(device)
        noise = torch.stack([self._noise(each.prompt, each.window, shift) for each in pieces]).to(device)
        target, residual = sample(self.model, conditions, noise, sampling).chunk(2, dim=-1)
        samples = waveforms.shape[-1]
        if isinstance(codec, LinearCodec):
            target, _ = consistent(codec, target, residual, mixture)
            found = codec.decode(target, samples)
            stems = torch.stack([found, waveforms - found])
        else:
            stems = torch.stack([codec.decode(each, samples) for each in (target, residual)])
        heard: Matrix = stems.cpu().numpy()
        return heard[..., shift:]

    def _span_tokens(self, prompt: Prompted, window: Window, shift: int) -> Tensor:
        """Of a window; a span that lies elsewhere says that nothing sounds here."""
        layout = self.config.codec
        centres = layout.centres(layout.frames(window.length + shift)) - shift / self.sample_rate
        if not prompt.spans:
            return span_tokens((), (), centres)
        begin, end = window.start / self.sample_rate, window.end / self.sample_rate
        here = [
            (max(a, begin) - begin, min(b, end) - begin) for a, b in prompt.spans if a < end and b > begin
        ]
        return span_tokens(here, () if here else ((0.0, end - begin),), centres)

    def _noise(self, prompt: Prompted, window: Window, shift: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed_of(prompt.seed, str(window.start)) % 2**63)
        layout = self.config.codec
        frames = layout.frames(window.length + shift)
        return torch.randn(frames, 2 * layout.channels, generator=generator)

    @cached_property
    def _texts(self) -> TextStates:
        if self._text_encoder is not None:
            states = TextStates(self._text_encoder)
        else:
            states = TextStates.of(ProfileModels(Profile.load(self.config.profile)))
        return states.of_width(self.config.model.dit.text_width)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path = BUNDLED, **options: Any
    ) -> Separator:
        """The bundled separator, the one in a folder, or one on the Hugging Face hub; `options` as the hub's.

        Raises UserError if it is no separator.
        """
        separator: Separator = super().from_pretrained(place_of(pretrained_model_name_or_path), **options)
        return separator

    def _save_pretrained(self, save_directory: Path) -> None:
        (save_directory / CONFIG_FILE).write_bytes(CONFIG.dump_json(self.config, indent=2))
        weights = {name: each.half().contiguous() for name, each in self.model.state_dict().items()}
        save_file(weights, save_directory / WEIGHTS_FILE)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> Separator:
        known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        asked = {name: options[name] for name in known if name in options}
        folder = Path(model_id) if Path(model_id).is_dir() else Path(snapshot_download(model_id, **asked))
        return cls.in_folder(folder)

    @classmethod
    def in_folder(cls, folder: Path, text_encoder: TokenEncoder | None = None) -> Separator:
        """The separator that `save_pretrained` wrote. Raises UserError if it is none, or its codec is missing."""
        config = configuration_in(folder)
        check_weights(folder)
        model = SeparationModel(config.model)
        model.load_state_dict({name: each.float() for name, each in load_file(folder / WEIGHTS_FILE).items()})
        return cls(config, model, text_encoder)


def configuration_in(folder: Path) -> SeparatorConfig:
    """The configuration of a separator in a folder. Raises UserError if there is none."""
    try:
        return CONFIG.validate_json((folder / CONFIG_FILE).read_bytes())
    except FileNotFoundError as error:
        raise _no_separator(folder, CONFIG_FILE) from error
    except ValidationError as error:
        raise _broken(folder, error) from error


def check_weights(folder: Path) -> None:
    """Raise UserError if the weights in a folder are missing, or not those of its configuration. Loads none."""
    with torch.device("meta"):
        wanted = SeparationModel(configuration_in(folder).model).state_dict()
    try:
        with safe_open(folder / WEIGHTS_FILE, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise _no_separator(folder, WEIGHTS_FILE) from error
    except SafetensorError as error:
        raise _broken(folder, error) from error
    others = [
        name for name in {**wanted, **found} if found.get(name) != getattr(wanted.get(name), "shape", None)
    ]
    if others:
        raise UserError(
            f"this separator cannot be loaded: {len(others)} of its weights are not those of {CONFIG_FILE}, "
            f"{others[0]} first",
            where=str(folder),
        )


def _no_separator(folder: Path, missing: str) -> UserError:
    return UserError(f"this is no separator: {missing} is missing", where=str(folder))


def _broken(folder: Path, error: Exception) -> UserError:
    reason = str(error).partition("\n")[0]
    return UserError(f"this separator cannot be loaded: {reason}", where=str(folder))
