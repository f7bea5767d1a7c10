"""What a mixture holds in words, and the sounds named there that it supports."""

from __future__ import annotations

import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import Captioner, ExtractedPhrases, PhraseExtractor, TextAudioScorer, Waveform
from manifests.identity import normalise_prompt

PHRASES = pa.list_(pa.struct([("text", pa.string()), ("speech", pa.bool_()), ("agreement", pa.float32())]))
"""Phrases of a description in its order: as prompts, whether they ask for speech, and the text–audio score with the
mixture."""


class Describe(Stage):
    """Caption the window, take short phrases from the caption, and score each against the window.

    The reference's way to prompts: an audio-language model, a language model, and CLAP. This stage writes down what
    they say, and proposes nothing; `caption` does, if `description` is among its `proposers`. Where no phrases could
    be taken from a caption, `description_error` says why.
    """

    reads = ("mixture",)
    adds = {
        "description": pa.string(),
        "description_phrases": PHRASES,
        "description_error": pa.string(),
    }
    roles = ("captioner", "phrase_extractor", "text_audio_scorer")

    _captioner: Captioner | None = PrivateAttr(default=None)
    _extractor: PhraseExtractor | None = PrivateAttr(default=None)
    _scorer: TextAudioScorer | None = PrivateAttr(default=None)

    def setup(self) -> None:
        """Load the models."""
        models = self.context.models
        self._captioner = models.load("captioner")
        self._extractor = models.load("phrase_extractor")
        self._scorer = models.load("text_audio_scorer")

    def process(self, batch: Batch) -> Batch:
        """Add the caption, its phrases and their scores."""
        assert self._captioner is not None
        assert self._extractor is not None
        captions = self._captioner.caption(batch["mixture"], self.context.sample_rate)
        extracted = self._extractor.extract(captions)
        return batch.with_columns(
            description=captions,
            description_phrases=self._scored(extracted, batch["mixture"]),
            description_error=[each.error for each in extracted],
        )

    def _scored(
        self, extracted: list[ExtractedPhrases], mixtures: list[Waveform]
    ) -> list[list[dict[str, object]]]:
        """For each mixture its phrases, each once, as rows of `PHRASES`."""
        assert self._scorer is not None
        speech_of = [_as_prompts(each) for each in extracted]
        texts = [text for each in speech_of for text in each]
        heard = [mixture for mixture, each in zip(mixtures, speech_of, strict=True) for _ in each]
        scores = iter(self._scorer.score(texts, heard, self.context.sample_rate))
        return [
            [
                {"text": text, "speech": speech, "agreement": next(scores).clip}
                for text, speech in each.items()
            ]
            for each in speech_of
        ]


def _as_prompts(extracted: ExtractedPhrases) -> dict[str, bool]:
    """Phrase as a prompt → whether it asks for speech; one that comes twice as it comes first."""
    prompts: dict[str, bool] = {}
    for phrase in extracted.phrases:
        prompts.setdefault(normalise_prompt(phrase.text), phrase.speech)
    return prompts
