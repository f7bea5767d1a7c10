"""Short phrases from captions, by any model that answers a conversation: asked in JSON, checked, asked again.

A language model's answer is data from outside: whatever a recording or a caption talked it into, only a few short
phrases of visible characters come out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dataengine.models.plain_text import one_line
from dataengine.models.remembered import Remembered
from dataengine.models.roles import ExtractedPhrases, ModelCard, SoundPhrase

TRIES = 3
"""How often a model is asked for an answer of the right form."""
MAX_PHRASES = 16
MAX_CHARACTERS = 80
"""Of a phrase."""
MAX_ANSWER = 8_000
"""Characters of an answer; 16 of the longest phrases fit three times."""
MAX_CAPTION = 4_000
"""Characters of a caption that are read."""
REMEMBERED = 4_096  # captions whose phrases are kept, a few hundred bytes each


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    """`user` or `assistant`."""
    content: str


Conversation: TypeAlias = list[Message]
Chat: TypeAlias = Callable[[Sequence[Conversation]], list[str]]
"""What a model answers to each conversation; the same to the same conversation."""


class _PhraseInAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: str = Field(min_length=1, max_length=MAX_CHARACTERS)
    speech: bool


class PhraseAnswer(BaseModel):
    """What a model must answer, as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    phrases: list[_PhraseInAnswer] = Field(max_length=MAX_PHRASES)


class WrongAnswerError(ValueError):
    """An answer that is not of the form that was asked for; the message may be told to the model."""


class AskedPhraseExtractor:
    """A PhraseExtractor that asks a model for JSON."""

    def __init__(self, card: ModelCard, chat: Chat, instruction: str) -> None:
        self.card = card
        self._chat = chat
        self._instruction = instruction
        self._remembered: Remembered[str, ExtractedPhrases] = Remembered(REMEMBERED)

    def extract(self, captions: Sequence[str]) -> list[ExtractedPhrases]:
        """See PhraseExtractor; of a caption without words nothing is asked."""
        read = [one_line(each, MAX_CAPTION) for each in captions]
        extracted = self._remembered.answers({each: each for each in read if each}, self._ask)
        return [extracted.get(each, ExtractedPhrases(())) for each in read]

    def _ask(self, captions: list[str]) -> list[ExtractedPhrases]:
        conversations = [[_said("user", f"{self._instruction}\n\n{each}")] for each in captions]
        extracted: dict[int, ExtractedPhrases] = {}
        for _ in range(TRIES):
            asked = [i for i in range(len(captions)) if i not in extracted or extracted[i].error]
            if not asked:
                break
            for i, answer in zip(asked, self._chat([conversations[i] for i in asked]), strict=True):
                try:
                    extracted[i] = ExtractedPhrases(phrases_in(answer))
                except WrongAnswerError as error:
                    extracted[i] = ExtractedPhrases(
                        (), f"no answer of the right form in {TRIES} tries: {error}"
                    )
                    conversations[i] += [
                        _said("assistant", answer[:MAX_ANSWER]),
                        _said("user", _remark(error)),
                    ]
        return [extracted[i] for i in range(len(captions))]


def phrases_in(answer: str) -> tuple[SoundPhrase, ...]:
    """The phrases of an answer, its JSON in a fence or between words or not. Raises WrongAnswerError."""
    if len(answer) > MAX_ANSWER:
        raise WrongAnswerError(f"the answer is longer than {MAX_ANSWER} characters")
    start, end = answer.find("{"), answer.rfind("}")
    if start < 0 or end < start:
        raise WrongAnswerError("there is no JSON object in the answer")
    try:
        found = PhraseAnswer.model_validate_json(answer[start : end + 1])
    except ValidationError as error:
        raise WrongAnswerError(_fault(error)) from None
    cleaned = [SoundPhrase(_cleaned(each.text), each.speech) for each in found.phrases]
    if not all(each.text for each in cleaned):
        raise WrongAnswerError("a phrase has no words")
    return tuple(cleaned)


def _cleaned(phrase: str) -> str:
    return one_line(phrase, MAX_CHARACTERS).strip(" .,;:!?\"'`*-")


def _fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, fault["loc"]))
    return one_line(f"{place}: {fault['msg']}" if place else fault["msg"], 200)


def _remark(error: WrongAnswerError) -> str:
    return f"That is not an answer of the right form: {error}. Answer again, with the JSON object and nothing else."


def _said(role: str, content: str) -> Message:
    return Message(role=role, content=content)
