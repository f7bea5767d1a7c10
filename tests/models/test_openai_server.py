"""Models behind HTTP: a real server that answers well, wrongly, with errors, late or not at all."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from chat_servers import Answer, Reply, chat_server, phrases, words_asked

from dataengine.engine.stage_call import is_transient
from dataengine.errors import UserError
from dataengine.models.chat_server import RefusedQuestionError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import ExtractedPhrases, SoundPhrase
from dataengine.yaml_source import dump_yaml

CAPTION = "A dog barks while a woman talks."
DOG, WOMAN = SoundPhrase("dog barking", False), SoundPhrase("woman speaking", True)
RIGHT = phrases("dog barking", "woman speaking", speech=("woman speaking",))

NewModels = Callable[..., ProfileModels]


@pytest.fixture
def new_models(tmp_path: Path) -> NewModels:
    """`new_models(role, adapter, **options)`: a profile of the user's with one model."""

    def new(role: str, adapter: str, **options: Any) -> ProfileModels:
        path = tmp_path / "mine.yaml"
        entry = {"adapter": adapter, "model": "some-model", **options}
        path.write_text(dump_yaml({"name": "mine", "sample_rate": 16_000, "models": {role: entry}}))
        return ProfileModels(Profile.load(str(path)))

    return new


@pytest.fixture
def extract(new_models: NewModels) -> Callable[..., list[ExtractedPhrases]]:
    """`extract(answer, captions, **options)`: what the extractor makes of captions with such a server."""

    def extracted(answer: Answer, captions: list[str], **options: Any) -> list[ExtractedPhrases]:
        with chat_server(answer) as server:
            models = new_models("phrase_extractor", "openai_server", url=server.url, **options)
            return models.load("phrase_extractor").extract(captions)

    return extracted


def test_phrases_come_from_a_caption(new_models: NewModels) -> None:
    with chat_server(lambda _: RIGHT) as server:
        options = {"chat_template_kwargs": {"enable_thinking": False}}
        models = new_models("phrase_extractor", "openai_server", url=server.url, request=options)
        assert models.load("phrase_extractor").extract([CAPTION]) == [ExtractedPhrases((DOG, WOMAN))]
    (request,) = server.requests
    assert (request["model"], request["temperature"]) == ("some-model", 0)
    assert request["chat_template_kwargs"] == {"enable_thinking": False}
    assert request["response_format"]["json_schema"]["schema"]["required"] == ["phrases"]
    assert words_asked(request).startswith("Below is a description of a recording.")
    assert words_asked(request).endswith(CAPTION)
    assert server.authorizations == [None]


def test_each_caption_has_its_own_phrases_whatever_comes_first(extract) -> None:
    turns = threading.Barrier(2, timeout=30)

    def answer(request: dict[str, Any]) -> str:
        turns.wait()  # two questions are under way at a time
        return phrases(words_asked(request)[-1])

    found = extract(answer, [*"abcd", "a", ""], requests_at_once=2)
    assert [[each.text for each in caption.phrases] for caption in found] == [
        ["a"],
        ["b"],
        ["c"],
        ["d"],
        ["a"],
        [],
    ]


@pytest.mark.parametrize(
    "answer",
    [
        f"```json\n{RIGHT}\n```",
        f"Here they are: {RIGHT} I hope that helps.",
        phrases(" Dog\tbarking.", '"woman speaking"', speech=('"woman speaking"',)).replace("Dog", "dog"),
    ],
)
def test_an_answer_that_is_right_but_for_its_trimmings_counts(extract, answer: str) -> None:
    assert extract(lambda _: answer, [CAPTION]) == [ExtractedPhrases((DOG, WOMAN))]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("dog barking, woman speaking", "there is no JSON object in the answer"),
        ('{"phrases": ["dog barking"]}', "phrases.0: Input should be an object"),
        ('{"phrases": [{"text": "dog barking"}]}', "phrases.0.speech: Field required"),
        (
            '{"phrases": [{"text": "dog barking", "speech": "no"}]}',
            "phrases.0.speech: Input should be a valid boolean",
        ),
        (
            '{"phrases": [{"text": "dog", "speech": false, "why": 1}]}',
            "phrases.0.why: Extra inputs are not permitted",
        ),
        (phrases("dog " * 40), "phrases.0.text: String should have at most 80 characters"),
        (phrases(*map(str, range(17))), "phrases: List should have at most 16 items"),
        (phrases("dog barking", "\x1b\u202e"), "a phrase has no words"),
        ('{"phrases": ' + "[" * 3000 + "]" * 3000 + "}", "recursion limit exceeded"),
        (phrases("dog \ud800"), "Invalid JSON"),
        (phrases("dog barking") + " " * 8000 + "}", "the answer is longer than 8000 characters"),
    ],
)
def test_a_wrong_answer_is_asked_again_with_what_is_wrong(
    new_models: NewModels, wrong: str, told: str
) -> None:
    answers = iter([wrong, wrong, RIGHT])
    with chat_server(lambda _: next(answers)) as server:
        models = new_models("phrase_extractor", "openai_server", url=server.url)
        (found,) = models.load("phrase_extractor").extract([CAPTION])
    assert found == ExtractedPhrases((DOG, WOMAN))
    first, second, third = (request["messages"] for request in server.requests)
    assert [len(first), len(second), len(third)] == [1, 3, 5]
    assert second[:2] == [*first, {"role": "assistant", "content": wrong[:8000]}]
    assert told in second[2]["content"]


def test_a_model_that_never_answers_rightly_costs_the_caption_its_phrases_and_no_other(
    new_models: NewModels,
) -> None:
    def answer(request: dict[str, Any]) -> str:
        return "I would rather talk" if "stubborn" in words_asked(request) else RIGHT

    with chat_server(answer) as server:
        models = new_models("phrase_extractor", "openai_server", url=server.url)
        stubborn, fine = models.load("phrase_extractor").extract(["a stubborn caption", CAPTION])
    assert stubborn == ExtractedPhrases(
        (), "no answer of the right form in 3 tries: there is no JSON object in the answer"
    )
    assert fine == ExtractedPhrases((DOG, WOMAN))
    assert len(server.requests) == 4


def test_what_cannot_be_seen_is_left_out_of_a_phrase(extract) -> None:
    hidden = phrases("dog\u202e\x1b[31m bark\x00ing\u200b", "a\n\nb")
    (found,) = extract(lambda _: hidden, [CAPTION])
    assert [each.text for each in found.phrases] == ["dog[31m barking", "a b"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"out of order"),
        Reply(503),
        Reply(429, b"too many requests"),
        Reply(401, b'{"error": "no such key: secret-key"}'),
        Reply(404, b"no such model"),
        Reply(200, b"<html>another service</html>"),
        Reply(200, b'{"choices": []}'),
        Reply(200, b" " * (1024 * 1024 + 1)),
    ],
    ids=lambda reply: f"{reply.status} {reply.body[:20].decode()}",
)
def test_a_server_in_trouble_is_no_fault_of_the_caption(extract, monkeypatch, reply: Reply) -> None:
    monkeypatch.setenv("MY_KEY", "secret-key")
    with pytest.raises(OSError, match=r"^http://127\.0\.0\.1:\d+/v1 answers") as caught:
        extract(lambda _: reply, [CAPTION], api_key_variable="MY_KEY")
    assert is_transient(caught.value)
    assert "secret-key" not in str(caught.value)


def test_a_server_that_is_not_there_is_no_fault_of_the_caption(new_models: NewModels) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        extractor = new_models("phrase_extractor", "openai_server", url=url).load("phrase_extractor")
        with pytest.raises(OSError, match=r"127\.0\.0\.1.*refused") as caught:
            extractor.extract([CAPTION])
    assert is_transient(caught.value)


def test_a_server_that_takes_too_long_is_not_waited_for(new_models: NewModels) -> None:
    enough = threading.Event()

    def answer(_: dict[str, Any]) -> str:
        enough.wait(30)
        return RIGHT

    with chat_server(answer) as server:
        options = {"url": server.url, "seconds": 0.2, "requests_at_once": 1}
        extractor = new_models("phrase_extractor", "openai_server", **options).load("phrase_extractor")
        with pytest.raises(OSError, match=r"timed out|did not answer all questions in 0\.2 s") as caught:
            extractor.extract(["one", "two", "three"])
        enough.set()
    assert is_transient(caught.value)
    assert len(server.requests) == 1  # for the others there was no time left


def test_the_next_try_asks_only_what_was_not_answered(new_models: NewModels) -> None:
    troubled = ["b"]

    def answer(request: dict[str, Any]) -> str | Reply:
        caption = words_asked(request)[-1]
        return Reply(500) if caption in troubled else phrases(caption)

    with chat_server(answer) as server:
        models = new_models("phrase_extractor", "openai_server", url=server.url)
        extractor = models.load("phrase_extractor")
        with pytest.raises(OSError, match="answers 500"):
            extractor.extract(["a", "b", "c"])
        troubled.clear()
        found = extractor.extract(["a", "b", "c"])
    assert [each.phrases[0].text for each in found] == ["a", "b", "c"]
    assert len(server.requests) == 4


def test_a_question_that_the_server_refuses_is_the_rows_own_fault(extract) -> None:
    with pytest.raises(RefusedQuestionError, match="answers 400: the prompt is too long"):
        extract(lambda _: Reply(400, b"the prompt\nis too long"), [CAPTION])


def test_the_key_is_sent_and_stands_nowhere(new_models: NewModels, monkeypatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret-key")
    with chat_server(lambda _: RIGHT) as server:
        models = new_models("phrase_extractor", "openai_server", url=server.url, api_key_variable="MY_KEY")
        models.load("phrase_extractor").extract([CAPTION])
        card = models.provenance(("phrase_extractor",))["phrase_extractor"]
    assert server.authorizations == ["Bearer secret-key"]
    assert "secret-key" not in json.dumps(card) + models.profile.model_dump_json()
    assert card["source"] == server.url
    assert not card["commercial"]


def test_a_key_that_is_not_there_is_one_line(new_models: NewModels, monkeypatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    models = new_models(
        "phrase_extractor", "openai_server", url="http://localhost:1/v1", api_key_variable="MY_KEY"
    )
    with pytest.raises(
        UserError, match="the environment variable MY_KEY does not hold a key for http://localhost:1/v1"
    ):
        models.provenance(("phrase_extractor",))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "write http://host:port/v1"),
        ("file:///etc/passwd", "write http://host:port/v1"),
        ("http://host:port/v1", "Port could not be cast to integer"),
        ("http://me:secret@host/v1", "a key belongs into the environment"),
        ("http://host/v1?key=secret", "a key belongs into the environment"),
    ],
)
def test_a_url_that_is_none_or_holds_a_key_is_refused(new_models: NewModels, url: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        new_models("phrase_extractor", "openai_server", url=url)


def test_what_is_asked_decides_and_where_does_not(new_models: NewModels) -> None:
    def identity(**options: Any) -> dict[str, Any]:
        models = new_models("phrase_extractor", "openai_server", **{"url": "http://a/v1", **options})
        card = models.provenance(("phrase_extractor",))["phrase_extractor"]
        return {key: card[key] for key in ("version", "digest", "options")}

    assert identity() == identity(url="http://b/v1", requests_at_once=2)
    assert len(identity()["options"]["instruction"]) == 32
    for other in (
        {"model": "another"},
        {"instruction": "List the sounds."},
        {"guided": False},
        {"request": {"n": 1}},
    ):
        assert identity(**other) != identity()


def test_a_captioner_is_sent_the_recording(new_models: NewModels, catalogue_clips) -> None:
    (clip, *_) = catalogue_clips("calibrate", category="speech", min_seconds=1.0, count=1)
    with chat_server(lambda _: " A woman\nspeaks. ") as server:
        models = new_models("captioner", "openai_audio_server", url=server.url)
        said = models.load("captioner").caption([clip.waveform], clip.sample_rate)
    assert said == ["A woman speaks."]
    ((heard, rate), question) = _sent(server.requests[0])
    assert rate == 16_000
    assert len(heard) == pytest.approx(len(clip.waveform) / clip.sample_rate * rate, abs=1)
    if clip.sample_rate == rate:
        np.testing.assert_allclose(heard, clip.waveform, atol=2**-15)
    assert question.startswith("Listen to the whole recording")


def test_a_long_recording_is_captioned_in_equal_pieces_and_a_short_one_filled_up(
    new_models: NewModels,
) -> None:
    with chat_server(lambda request: f"{len(_sent(request)[0][0]) / 16_000:.1f}") as server:
        captioner = new_models("captioner", "openai_audio_server", url=server.url).load("captioner")
        seconds = {70: "23.3 23.3 23.3", 30: "30.0", 0.1: "1.0", 0: "1.0"}
        silences = [np.zeros(round(each * 48_000), np.float32) for each in seconds]
        assert captioner.caption(silences, 48_000) == list(seconds.values())
        asked = len(server.requests)
        assert captioner.caption(silences[:1], 48_000) == ["23.3 23.3 23.3"]
    assert len(server.requests) == asked  # it is remembered for when a slice is tried again


def _sent(request: dict[str, Any]) -> tuple[tuple[np.ndarray, int], str]:
    """The recording and the words of a request."""
    audio, words = request["messages"][0]["content"]
    file = io.BytesIO(base64.b64decode(audio["input_audio"]["data"]))
    return soundfile.read(file, dtype="float32"), words["text"]
