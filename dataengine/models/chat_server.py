"""Asking a model behind HTTP: any server that speaks OpenAI's chat completions, such as vLLM's.

What is no fault of the question is an OSError, which the engine takes as it takes storage in trouble: nothing fails,
the work is done later. That is a server which is down, slow, overloaded or not set up (404), or which refuses the key.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, ClassVar, TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from pydantic import BaseModel, Field, ValidationError, field_validator

from dataengine.errors import UserError
from dataengine.models.adapter import Adapter, digest_of_text
from dataengine.models.plain_text import one_line
from dataengine.models.remembered import Remembered
from dataengine.models.roles import ModelCard
from dataengine.models.weighted import NOT_STATED, Licence

Messages: TypeAlias = Sequence[Mapping[str, object]]
"""A conversation as the API takes it."""

FAULTS_OF_THE_QUESTION = frozenset({400, 413, 422})
MAX_RESPONSE = 1024 * 1024
"""Bytes of a response that are read; a chat completion is a few kilobytes."""
REMEMBERED = 4096  # answers kept for the next try, when the server gave some of those that were asked for


class RefusedQuestionError(Exception):
    """The server does not take a question; asked again, it would refuse it again."""


class ServedAdapter(Adapter):
    """Options of a model on a server."""

    not_deciding: ClassVar[frozenset[str]] = frozenset(
        {"url", "api_key_variable", "licence", "seconds", "requests_at_once"}
    )

    url: str
    """Where its routes begin, such as http://10.0.0.7:8000/v1."""
    model: str = Field(min_length=1)
    """Its name on the server."""
    api_key_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the key, on every node; the key itself stands nowhere."""
    licence: Licence | None = None
    """Of the model's weights: {name: Apache-2.0, commercial: true}."""
    max_tokens: int = Field(default=512, ge=1)
    """Longest answer."""
    seconds: float = Field(default=60.0, gt=0)
    """How long the questions of one batch may take. Wrong answers are asked for up to three times; all of it must fit
    into `engine.stage_seconds`."""
    requests_at_once: int = Field(default=8, ge=1, le=256)
    """By each worker; the server makes batches of them."""
    request: dict[str, Any] = {}
    """Further fields of the request, for servers that have more than OpenAI's:
    {chat_template_kwargs: {enable_thinking: false}}."""

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("write http://host:port/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "it holds more than a place; a key belongs into the environment: api_key_variable"
            )
        return url.rstrip("/")

    def card(self, name: str, parts: Mapping[str, ModelCard]) -> ModelCard:
        """See Adapter; a server does not show its weights, so the digest is that of the model's name.

        Raises UserError if the key is not in the environment.
        """
        self.api_key()
        licence = self.licence or NOT_STATED
        return ModelCard(
            role=self.role,
            adapter=name,
            version=f"{self.model}+adapter{self.revision}",
            digest=digest_of_text(self.model),
            licence=licence.name,
            commercial=licence.commercial,
            source=self.url,
        )

    def api_key(self) -> str | None:
        """The key, if there is to be one. Raises UserError if it is not in the environment."""
        if self.api_key_variable is None:
            return None
        key = os.environ.get(self.api_key_variable, "").strip()
        if not (key.isascii() and key.isprintable() and key):
            raise UserError(
                f"the environment variable {self.api_key_variable} does not hold a key for {self.url}"
            )
        return key


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


@dataclass(frozen=True)
class Server:
    """A server, and what every request to it says."""

    url: str
    key: str | None
    fields: Mapping[str, Any]
    """`model`, `max_tokens` and whatever else."""
    seconds: float
    requests_at_once: int

    @classmethod
    def of(cls, adapter: ServedAdapter, **fields: Any) -> Server:
        """The server of an adapter; `fields` are further ones of its requests."""
        asked = {"model": adapter.model, "max_tokens": adapter.max_tokens, "temperature": 0, "seed": 0}
        asked |= fields | adapter.request
        return cls(adapter.url, adapter.api_key(), asked, adapter.seconds, adapter.requests_at_once)

    def ask(self, messages: Messages, seconds: float) -> str:
        """The answer to a conversation.

        Raises OSError if the server is in trouble, RefusedQuestionError if it does not take the question.
        """
        body = json.dumps({**self.fields, "messages": messages}).encode()
        request = Request(f"{self.url}/chat/completions", body, {"Content-Type": "application/json"})  # noqa: S310
        if self.key is not None:  # not carried along if the server sends us elsewhere
            request.add_unredirected_header("Authorization", f"Bearer {self.key}")
        try:
            with urlopen(request, timeout=seconds) as response:  # noqa: S310 - http or https, see ServedAdapter
                content = response.read(MAX_RESPONSE + 1)
        except HTTPError as error:
            raise self._complaint(error) from None
        except (OSError, HTTPException) as error:
            raise OSError(f"{self.url}: {type(error).__name__}: {error}") from error
        if len(content) > MAX_RESPONSE:
            raise OSError(f"{self.url} answers with more than {MAX_RESPONSE} bytes")
        try:
            return _Completion.model_validate_json(content).choices[0].message.content or ""
        except ValidationError as error:
            raise OSError(f"{self.url} answers, but with no chat completion: is the url right?") from error

    def _complaint(self, error: HTTPError) -> Exception:
        try:
            said = error.read(2000).decode(errors="replace")
        except (OSError, HTTPException):
            said = ""
        if self.key is not None:
            said = said.replace(self.key, "…")
        message = f"{self.url} answers {error.code}: {one_line(said, 300) or error.reason}"
        return RefusedQuestionError(message) if error.code in FAULTS_OF_THE_QUESTION else OSError(message)


class ServerChat:
    """Conversations with a server, several at a time; answers that came are kept when others did not."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._remembered: Remembered[str, str] = Remembered(REMEMBERED)

    def __call__(self, conversations: Sequence[Messages]) -> list[str]:
        """The answer to each. Raises as `Server.ask` does."""
        keys = [digest_of_text(json.dumps(each)) for each in conversations]
        answers = self._remembered.known(keys)
        new = {key: each for key, each in zip(keys, conversations, strict=True) if key not in answers}
        deadline = time.monotonic() + self._server.seconds
        with ThreadPoolExecutor(self._server.requests_at_once) as pool:
            asked = {key: pool.submit(self._ask_until, deadline, each) for key, each in new.items()}
        came = {key: each.result() for key, each in asked.items() if each.exception() is None}
        for key, answer in came.items():
            self._remembered.keep(key, answer)
        _raise_first(asked.values())
        return [{**answers, **came}[key] for key in keys]

    def _ask_until(self, deadline: float, messages: Messages) -> str:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(
                f"{self._server.url} did not answer all questions in {self._server.seconds:g} s"
            )
        return self._server.ask(messages, left)


def _raise_first(asked: Iterable[Future[str]]) -> None:
    """Raise what went wrong, trouble of the server before a refused question: then nothing is known of the others."""
    errors = [error for each in asked if (error := each.exception()) is not None]
    for error in sorted(errors, key=lambda each: not isinstance(each, OSError)):
        raise error
