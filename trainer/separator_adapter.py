"""What `dataengine train` made, in the role of a profile's separator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from dataengine.errors import UserError
from dataengine.models.adapter import Adapter, Runtime, digest_of_files
from dataengine.models.doubt import expected_gain_db, gain_of_both_db
from dataengine.models.enhancer_router import EnhancerRouter
from dataengine.models.roles import ModelCard, Prompt, Stems, TokenEncoder, Waveform
from dataengine.models.roles import Separator as Separating
from dataengine.models.waveforms import fitted, resample
from manifests.identity import stable_hash
from trainer.bundled import BUNDLED, place_of
from trainer.separator import CONFIG_FILE, WEIGHTS_FILE, Prompted, Separator, configuration_in


class TrainedSeparatorAdapter(Adapter):
    """A `Separator` in a folder, or the one that is bundled. It asks the profile's text encoder."""

    role = "separator"
    parts: ClassVar[tuple[str, ...]] = ("text_encoder",)

    folder: str = BUNDLED
    """As `dataengine train` leaves it in `separator/`."""
    licence: str = "Apache-2.0"
    """Of the weights."""
    commercial: bool = True
    """Whether the licence allows commercial use."""
    steps: int | None = None
    """Of the solver; by default those that the separator was saved with."""
    shifts: int | None = None
    """How often each window is heard; by default as it was saved."""

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        place = self._place()
        files = (place / CONFIG_FILE, place / WEIGHTS_FILE)
        for file in files:
            if not file.is_file():
                raise UserError(
                    f"this is no separator: {file.name} is missing; make one with `dataengine train`",
                    where=str(place),
                )
        config = configuration_in(place)
        codecs = config.codec.cards(config.profile)
        digests = [parts["text_encoder"].digest, *(each.digest for each in codecs)]
        return ModelCard(
            role=self.role,
            adapter=name,
            version=f"adapter{self.revision}",
            digest=stable_hash(digest_of_files(files), *digests),
            licence="; ".join(dict.fromkeys([self.licence, *(each.licence for each in codecs)])),
            commercial=self.commercial and all(each.commercial for each in codecs),
            source=", ".join(
                [BUNDLED if self.folder == BUNDLED else str(place), *(each.source for each in codecs)]
            ),
        )

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> Separating:
        """See Adapter."""
        torch.set_num_threads(runtime.threads)
        self._check(parts["text_encoder"])
        separator = Separator.in_folder(self._place(), parts["text_encoder"])
        config = separator.config
        separator.config = replace(
            config,
            sampling=replace(config.sampling, steps=self.steps or config.sampling.steps),
            shifts=self.shifts or config.shifts,
        )
        return TrainedSeparator(card, separator.to(runtime.device))

    def _place(self) -> Path:
        return place_of(self.folder)

    def _check(self, encoder: TokenEncoder) -> None:
        """Raise UserError if a text encoder cannot be the one that the separator was trained with."""
        config = configuration_in(self._place())
        if encoder.width != config.model.dit.text_width:
            raise UserError(
                f"this separator was trained with profile {config.profile!r}, and another text encoder than "
                f"{encoder.card.adapter!r}; use that profile, or name its text encoder in this one",
                where=str(self._place()),
            )


class EnhancerAndTrainedAdapter(TrainedSeparatorAdapter):
    """The profile's enhancer for speech; a trained separator for all else, in what the enhancer leaves."""

    parts = ("text_encoder", "enhancer")

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter."""
        trained, enhancer = super().card(name, parts), parts["enhancer"]
        return replace(
            trained,
            digest=stable_hash(trained.digest, enhancer.digest),
            licence="; ".join(dict.fromkeys((trained.licence, enhancer.licence))),
            commercial=trained.commercial and enhancer.commercial,
            source=f"{trained.source}, {enhancer.source}",
        )

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> EnhancerAndTrained:
        """See Adapter."""
        trained = super().load(card, runtime, parts)
        return EnhancerAndTrained(card, EnhancerRouter(card, parts["enhancer"]), trained)


class TrainedSeparator:
    """A separator of the pipeline (`dataengine.models.roles.Separator`)."""

    def __init__(self, card: ModelCard, separator: Separator) -> None:
        self.card = card
        self._separator = separator

    def separate(
        self, mixtures: Sequence[Waveform], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        """See the role, and `Separator.stems`."""
        own = self._separator.sample_rate
        prompted = [
            Prompted(resample(mixture, sample_rate, own), prompt.text, prompt.spans, prompt.seed)
            for mixture, prompt in zip(mixtures, prompts, strict=True)
        ]
        stems = []
        for mixture, heard in zip(mixtures, self._separator.hear(prompted), strict=True):
            target, residual = self._separator.stems(mixture, heard, sample_rate)
            doubt = fitted(resample(heard.doubt, own, sample_rate), len(mixture))
            gain = expected_gain_db(residual, doubt) if heard.doubt.any() else None
            stems.append(Stems(target, residual, gain))
        return stems


class EnhancerAndTrained:
    """A separator of the pipeline that leaves speech to a model that knows nothing else.

    A prompt for speech gets what the enhancer finds. For any other the enhancer takes the speech away first, and the
    trained separator looks for the sound in the rest; what neither finds there is in the residual, with the speech.
    """

    def __init__(self, card: ModelCard, enhancer: Separating, trained: Separating) -> None:
        self.card = card
        self._enhancer = enhancer
        self._trained = trained

    def separate(
        self, mixtures: Sequence[Waveform], prompts: Sequence[Prompt], sample_rate: int
    ) -> list[Stems]:
        """See the role."""
        stems = self._enhancer.separate(mixtures, prompts, sample_rate)
        others = [place for place, prompt in enumerate(prompts) if not prompt.speech]
        found = self._trained.separate(
            [stems[place].target for place in others], [prompts[place] for place in others], sample_rate
        )
        for place, within in zip(others, found, strict=True):
            residual = mixtures[place] - within.target
            gain = gain_of_both_db(residual, stems[place], within)
            stems[place] = Stems(within.target, residual, gain)
        return stems
