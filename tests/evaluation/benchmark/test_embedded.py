"""The benchmark of the catalogue: what is asked, of what, and what must not be trained on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from dataengine.evaluation.benchmark.embedded import EmbeddedBenchmark
from dataengine.evaluation.benchmark.ensembles import ensembles, is_heard
from dataengine.evaluation.benchmark.items import Benchmark
from dataengine.evaluation.benchmark.settings import PromptKind, Setting, Task
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import extractions
from manifests.indexing import IndexOptions, index
from manifests.media import encode_flac
from manifests.tables import read_table
from tests.conftest import DATA

RATE = 44_100
TASKS = (Task.SPEECH, Task.SPEAKER, Task.MUSIC, Task.INSTRUMENT_WILD, Task.SOUND)
LIMIT = 6


@pytest.fixture(scope="module")
def embedded(recordings: Path) -> EmbeddedBenchmark:
    return EmbeddedBenchmark(DATA / "test-benchmark", "gate", LIMIT)


@pytest.fixture(scope="module")
def built(embedded: EmbeddedBenchmark) -> Benchmark:
    kinds = (PromptKind.TEXT, PromptKind.SPAN, PromptKind.VISUAL)
    return embedded.build([Setting(task, kind) for kind in kinds for task in TASKS])


def test_every_task_asks_for_what_it_is_about(built: Benchmark) -> None:
    asked = {
        setting.task: each for setting, each in built.questions.items() if setting.prompts == PromptKind.TEXT
    }
    assert set(asked) == set(TASKS)
    assert all(len(each) <= LIMIT for each in asked.values())
    assert {question.text for question in asked[Task.SPEECH]} == {"speech"}
    assert {question.text for question in asked[Task.SPEAKER]} == {"woman speaking", "man speaking"}
    assert {question.text for question in asked[Task.MUSIC]} == {"music"}
    categories = {task: {question.named.category for question in each} for task, each in asked.items()}
    assert categories == {
        Task.SPEECH: {"speech"},
        Task.SPEAKER: {"speech"},
        Task.MUSIC: {"music"},
        Task.INSTRUMENT_WILD: {"instrument"},
        Task.SOUND: {"sound"},
    }
    for question in asked[Task.SPEAKER]:
        assert [source.category for source in question.scene.sources] == ["speech", "speech"]


def test_nothing_else_in_the_scene_answers_to_the_prompt(built: Benchmark) -> None:
    meanings = PhraseMeanings.load()
    for questions in built.questions.values():
        for question in questions:
            named = [meanings.names(question.text, label) for label in question.scene.labels]
            assert named == [place == question.wanted for place in range(len(named))]


def test_spans_are_asked_with_the_same_words(built: Benchmark) -> None:
    for task in TASKS:
        by_text, by_span = (
            built.questions[Setting(task, kind)] for kind in (PromptKind.TEXT, PromptKind.SPAN)
        )
        assert [question.text for question in by_text] == [question.text for question in by_span]
        assert not any(question.spans for question in by_text)
        assert all(question.spans for question in by_span)


def test_what_cannot_be_asked_is_said(built: Benchmark) -> None:
    visual = [each for each in built.left_out if each.prompts == PromptKind.VISUAL]
    assert {built.left_out[each] for each in visual} == {"the catalogue has no video"}
    assert "2 voices speak in split gate" in built.notes[0]


def test_the_same_questions_have_the_same_digest(embedded: EmbeddedBenchmark, built: Benchmark) -> None:
    fewer = embedded.build([Setting(Task.SOUND, PromptKind.TEXT)])
    again = embedded.build([Setting(Task.SOUND, PromptKind.TEXT)])
    assert fewer.digest == again.digest != built.digest


def test_what_it_is_made_of_is_marked_when_it_is_indexed(
    embedded: EmbeddedBenchmark, built: Benchmark, demo_directory: Path, tmp_path: Path
) -> None:
    """Scenes, stems and clips, and a copy of a clip in another format; nothing of another split."""
    question = built.questions[Setting(Task.SPEAKER, PromptKind.TEXT)][0]
    stem = question.scene.sources[0].stem
    assert stem is not None
    mixture = stem.parent.parent.parent / "gate" / question.scene.name.rpartition("/")[2]
    other = demo_directory / "calibrate" / "calibrate-000000.flac"
    manifest = tmp_path / "manifest.parquet"
    options = IndexOptions(never_train=str(embedded.never_train))
    index([str(stem), str(mixture), str(other)], str(manifest), options)
    marked = {Path(row["uri"]): row["never_train"] for row in read_table(str(manifest)).to_pylist()}
    assert marked == {stem.resolve(): True, mixture.resolve(): True, other.resolve(): False}


def test_the_list_is_not_taken_anew_while_nothing_changes(
    embedded: EmbeddedBenchmark, built: Benchmark
) -> None:
    settings = list(built.questions)
    embedded.build(settings)
    before = embedded.never_train.stat().st_mtime_ns
    embedded.build(settings)
    assert embedded.never_train.stat().st_mtime_ns == before
    clip = next(iter(built.questions[settings[0]])).scene.sources[0].stem
    assert clip is not None
    os.utime(clip)
    embedded.build(settings)
    assert embedded.never_train.stat().st_mtime_ns > before


def test_windows_of_rendered_music_ask_for_what_plays_in_them(tmp_path: Path) -> None:
    """A piece of 40 s: the flute plays all the time, the drums in the second half, the harp for a second."""
    times = np.arange(40 * RATE) / RATE
    playing = {
        "flute": times >= 0,
        "drum kit": times >= 20,
        "harp": (times >= 26) & (times < 27),
        "violin": times < 0,
    }
    for number, (name, plays) in enumerate(playing.items()):
        stem = tmp_path / "piece" / f"{name}.flac"
        stem.parent.mkdir(exist_ok=True)
        tone = 0.2 * np.sin(2 * np.pi * (300 + 150 * number) * times) * plays
        stem.write_bytes(encode_flac(tone.astype(np.float32), RATE))
    (tmp_path / ".unfinished").mkdir()
    (scene,) = ensembles(tmp_path, windows=2)  # of the first window one stem is all there is
    assert scene.start == 22.0
    assert {source.label: is_heard(source) for source in scene.sources} == {
        "drum kit": True,
        "flute": True,
        "harp": False,
    }
    assert scene.clips == ("piece",)
    flute = scene.stems(0.0, scene.seconds, RATE)[1]
    assert np.allclose(flute, 0.2 * np.sin(2 * np.pi * 300 * times[22 * RATE : 32 * RATE]), atol=1e-4)
    asked = extractions([scene], PhraseMeanings.with_stems())
    assert [question.text for question in asked if is_heard(question.named)] == [
        "drums playing",
        "flute playing",
    ]
