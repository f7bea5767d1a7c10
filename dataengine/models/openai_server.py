"""Captioner and phrase extractor on a server with OpenAI's chat completions: vLLM, SGLang, llama.cpp …"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.models.adapter import Runtime
from dataengine.models.captioning import PiecewiseCaptioner
from dataengine.models.chat_server import Messages, ServedAdapter, Server, ServerChat
from dataengine.models.instructions import InstructedAdapter
from dataengine.models.phrase_answers import AskedPhraseExtractor, PhraseAnswer
from dataengine.models.roles import ModelCard, Waveform

AUDIO_RATE = 16_000
"""Hz of the audio that is sent: what audio-language models hear."""


class OpenAiServerAdapter(InstructedAdapter, ServedAdapter):
    """Options of a phrase extractor on a server."""

    role = "phrase_extractor"
    default_instruction = "extract_phrases.yaml"

    guided: bool = True
    """The server holds the model to the form of the answer (`response_format`); false for servers that refuse that."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> AskedPhraseExtractor:
        """See Adapter; the server is not asked yet."""
        schema = {"name": "phrases", "schema": PhraseAnswer.model_json_schema(), "strict": True}
        form = {"response_format": {"type": "json_schema", "json_schema": schema}} if self.guided else {}
        return AskedPhraseExtractor(card, ServerChat(Server.of(self, **form)), self.told())


class OpenAiAudioServerAdapter(InstructedAdapter, ServedAdapter):
    """Options of a captioner on a server whose model hears `input_audio`."""

    role = "captioner"
    default_instruction = "describe.yaml"

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> PiecewiseCaptioner:
        """See Adapter; the server is not asked yet."""
        chat, instruction = ServerChat(Server.of(self)), self.told()

        def describe(pieces: Sequence[Waveform]) -> list[str]:
            return chat([_question(each, instruction) for each in pieces])

        return PiecewiseCaptioner(card, describe, AUDIO_RATE)


def _question(waveform: Waveform, instruction: str) -> Messages:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, waveform, AUDIO_RATE, format="WAV", subtype="PCM_16")
    audio = {"data": base64.b64encode(file.getvalue()).decode(), "format": "wav"}
    content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": instruction}]
    return [{"role": "user", "content": content}]
