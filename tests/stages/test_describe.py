"""Prompts from descriptions: the stages `describe` and `caption` with models on a real server."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from binding import bound
from chat_servers import ChatServer, Reply, chat_server, phrases

from dataengine import Pipeline, run
from dataengine.engine.batch import Batch
from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import Waveform
from dataengine.models.waveforms import resample
from dataengine.yaml_source import dump_yaml
from manifests.indexing import IndexOptions, index
from stages.caption import Caption
from stages.describe import Describe

RATE = 16_000
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Heard:
    """What the server says of recordings, by their length in tenths of a second."""

    captions: dict[int, str] = field(default_factory=dict)
    phrases: dict[str, str] = field(default_factory=dict)
    """Caption → answer."""
    trouble: int = 0
    """So many requests are answered with an error first."""

    def answer(self, request: dict[str, Any]) -> str | Reply:
        if self.trouble > 0:
            self.trouble -= 1
            return Reply(503, b"loading the model")
        if isinstance(words := request["messages"][0]["content"], str):
            return next(
                (said for caption, said in self.phrases.items() if words.endswith(caption)), "no idea"
            )
        audio = base64.b64decode(words[0]["input_audio"]["data"])
        return self.captions.get(round(soundfile.info(io.BytesIO(audio)).duration * 10), "")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def server(heard: Heard) -> Iterator[ChatServer]:
    with chat_server(heard.answer) as running:
        yield running


@pytest.fixture
def profile(server: ChatServer, tmp_path: Path) -> str:
    """The embedded profile, and both models of the reference's captions on the server."""
    embedded = Profile.load("embedded").model_dump()
    asked = {"url": server.url, "model": "some-model"}
    embedded["models"] |= {
        "captioner": {"adapter": "openai_audio_server", **asked},
        "phrase_extractor": {"adapter": "openai_server", **asked},
    }
    path = tmp_path / "described.yaml"
    path.write_text(dump_yaml({**embedded, "name": "described"}))
    return str(path)


@pytest.fixture(scope="module")
def dog_and_cat(catalogue_clips) -> tuple[Waveform, Waveform]:
    """A second of a dog, and two of a cat."""
    first = [catalogue_clips("gate", label=label)[0] for label in ("dog barking", "cat")]
    dog, cat = (resample(each.waveform, each.sample_rate, RATE) for each in first)
    return np.resize(dog, RATE), np.resize(cat, 2 * RATE)


def windows(*mixtures: Waveform, **columns: Any) -> Batch:
    return Batch({"unit_id": [str(i) for i in range(len(mixtures))], "mixture": list(mixtures), **columns})


def described(*phrases: tuple[str, bool, float]) -> list[dict[str, Any]]:
    return [{"text": text, "speech": speech, "agreement": agreement} for text, speech, agreement in phrases]


def test_phrases_are_prompts_with_the_score_of_the_mixture(heard: Heard, profile: str, dog_and_cat) -> None:
    heard.captions = {10: "A dog barks twice.", 20: "A cat meows."}
    heard.phrases["A dog barks twice."] = phrases("Dog  barking", "church bell ringing", "dog barking")
    heard.phrases["A cat meows."] = phrases("cat meowing", "man speaking", speech=("man speaking",))
    found = bound(Describe(), profile=profile).process(windows(*dog_and_cat))
    assert found["description"] == ["A dog barks twice.", "A cat meows."]
    assert found["description_error"] == [None, None]
    dog, cat = found["description_phrases"]
    assert [(each["text"], each["speech"]) for each in (*dog, *cat)] == [
        ("dog barking", False),
        ("church bell ringing", False),
        ("cat meowing", False),
        ("man speaking", True),
    ]
    scorer = ProfileModels(Profile.load("embedded")).load("text_audio_scorer")
    expected = scorer.score(["dog barking", "church bell ringing"], [dog_and_cat[0]] * 2, RATE)
    assert [each["agreement"] for each in dog] == pytest.approx([each.clip for each in expected])
    assert dog[0]["agreement"] > dog[1]["agreement"] + 0.2


def test_a_window_without_phrases_says_why_if_the_model_is_to_blame(
    heard: Heard, profile: str, dog_and_cat
) -> None:
    heard.captions = {10: "Nothing is heard.", 20: "Noise."}
    heard.phrases["Nothing is heard."] = phrases()
    found = bound(Describe(), profile=profile).process(windows(*dog_and_cat))
    assert found["description_phrases"] == [[], []]
    assert found["description_error"] == [
        None,
        "no answer of the right form in 3 tries: there is no JSON object in the answer",
    ]


def test_the_description_alone_proposes_what_the_mixture_supports(dog_and_cat) -> None:
    caption = bound(Caption(proposers=("description",), description_threshold=0.3))
    assert caption.roles_used() == ()
    of_dog = described(
        ("wolf howling", False, 0.31), ("dog barking", False, 0.5), ("rain falling", False, 0.3)
    )
    of_cat = described(("man speaking", True, 0.9))
    found = caption.process(windows(*dog_and_cat, description_phrases=[of_dog, of_cat]))
    assert found["unit_id"] == ["0", "0", "1"]
    assert found["text"] == ["dog barking", "wolf howling", "man speaking"]
    assert found["text_source"] == ["description"] * 3
    assert found["text_confidence"] == pytest.approx([0.5, 0.31, 0.9])
    assert list(found["speech_prompt"]) == [False, False, True]


def test_what_several_propose_is_one_candidate(dog_and_cat) -> None:
    everyone = ("tagger", "vad", "gender", "description")
    of_dog = described(("dog barking", False, 0.4), ("door slamming", False, 0.3))
    batch = windows(*dog_and_cat, description_phrases=[of_dog, []])
    together = bound(Caption(proposers=everyone)).process(batch)
    alone = bound(Caption()).process(batch)
    source_of = dict(zip(together["text"], together["text_source"], strict=True))
    assert source_of["dog barking"] == "description+tagger"
    assert source_of["door slamming"] == "description"
    assert source_of["cat meowing"] == "tagger"
    assert sorted(together["text"]) == sorted([*alone["text"], "door slamming"])


def test_of_a_general_and_a_more_specific_phrase_the_specific_one_counts_whoever_proposes_it(
    dog_and_cat,
) -> None:
    phrases = described(("animal sounds", False, 0.9), ("dog barking", False, 0.4))
    batch = windows(dog_and_cat[1], description_phrases=[phrases])
    assert bound(Caption(proposers=("description",))).process(batch)["text"] == ["dog barking"]


def test_candidates_do_not_depend_on_other_descriptions(dog_and_cat) -> None:
    caption = bound(Caption(proposers=("description", "tagger")))
    lists = [
        described(("zither playing", False, 0.5), ("announcement", True, 0.5), ("dog barking", False, 0.9)),
        described(("announcement", False, 0.5), ("bagpipes wailing", False, 0.5)),
    ]
    together = caption.process(windows(*dog_and_cat, description_phrases=lists))
    alone = [
        caption.process(windows(mixture, description_phrases=[phrases]))
        for mixture, phrases in zip(dog_and_cat, lists, strict=True)
    ]
    for column in ("text", "text_source"):
        assert together[column] == [value for each in alone for value in each[column]]
    speech = dict(
        zip(zip(together["unit_id"], together["text"], strict=True), together["speech_prompt"], strict=True)
    )
    assert speech["0", "announcement"]
    assert not speech["1", "announcement"]


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([{"caption": {"proposers": ["gender"]}}], "'gender' judges the speech that 'vad' finds"),
        ([{"caption": {"proposers": ["tagger", "tagger"]}}], "each counts once"),
        (
            [{"caption": {"proposers": ["description"]}}],
            "'description_phrases', which stage 'describe' writes",
        ),
        (["describe"], "has no model for the role 'captioner'"),
    ],
)
def test_stages_that_do_not_fit_are_refused_before_the_run(
    demo_directory: Path, tmp_path: Path, stages: list[Any], said: str
) -> None:
    manifest, pipeline = tmp_path / "gate.parquet", tmp_path / "mine.yaml"
    index([str(demo_directory / "gate")], str(manifest), IndexOptions())
    pipeline.write_text(dump_yaml({"input": str(manifest), "stages": ["decode", *stages]}))
    with pytest.raises(UserError, match=said):
        Pipeline.load(pipeline)


def test_a_run_waits_for_a_server_in_trouble_and_fails_nothing(
    heard: Heard, profile: str, dog_and_cat, tmp_path: Path
) -> None:
    """The stage itself tries three times; what is refused oftener is put off with its slice."""
    (tmp_path / "recordings").mkdir()
    for number, waveform in enumerate((*dog_and_cat, np.zeros(3 * RATE, np.float32))):
        soundfile.write(tmp_path / "recordings" / f"{number}.wav", waveform, RATE)
    manifest, pipeline = tmp_path / "mine.parquet", tmp_path / "mine.yaml"
    index([str(tmp_path / "recordings")], str(manifest), IndexOptions())
    both = {"caption": {"proposers": ["tagger", "description"]}}
    stages = ["decode", "describe", both, "separate", "text_audio"]
    pipeline.write_text(dump_yaml({"input": str(manifest), "profile": profile, "stages": stages}))
    heard.captions = {10: "A dog barks.", 20: "A cat meows.", 30: "Nothing."}
    heard.phrases = {"A dog barks.": phrases("dog barking"), "A cat meows.": "no JSON", "Nothing.": "no JSON"}
    heard.trouble = 7
    run(Pipeline.load(pipeline), tmp_path / "run")
    rows = pq.read_table(tmp_path / "run" / "samples").to_pylist()
    assert heard.trouble == 0
    dog, cat, nothing = (
        next(row for row in rows if row["description"] == said) for said in heard.captions.values()
    )
    assert {row["status"] for row in rows if row["description"] != "Nothing."} == {"done"}
    assert (dog["text"], dog["text_source"]) == ("dog barking", "description+tagger")
    assert [each["text"] for each in dog["description_phrases"]] == ["dog barking"]
    assert cat["text_source"] == "tagger"
    assert nothing["status"] == "empty"
    for row in (cat, nothing):
        assert row["description_error"].startswith("no answer of the right form in 3 tries")
