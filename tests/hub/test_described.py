"""The stage `describe` on the libraries' models: its rows, and the contract of stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from language_checkpoints import write_chat_model, write_qwen2_audio
from written_profiles import RATE, models_of

from dataengine.check_stage import check_stage
from dataengine.engine.batch import Batch
from dataengine.engine.stage import StageContext
from dataengine.models.phrase_answers import Message
from dataengine.models.profile import ProfileModels
from dataengine.yaml_source import dump_yaml
from manifests.indexing import IndexOptions, index
from stages.describe import Describe

pytestmark = pytest.mark.hub

ASKED = "List the sounds."


@pytest.fixture(scope="module")
def models(claps, real_recordings, tmp_path_factory) -> ProfileModels:
    """A captioner, and a language model that knows what is in its caption of one recording, and CLAP."""
    folder = tmp_path_factory.mktemp("described")
    captioner = {"adapter": "audio_language", "weights": str(write_qwen2_audio(folder / "captioner"))}
    captioner |= {"precision": "float32", "max_tokens": 8}
    (said,) = models_of(folder, {"captioner": captioner}).load("captioner").caption(real_recordings[:1], RATE)
    answer = json.dumps({"phrases": [{"text": "dog barking", "speech": False}]})
    turns = [Message(role="user", content=f"{ASKED}\n\n{said}"), Message(role="assistant", content=answer)]
    chat = write_chat_model(folder / "chat", [turns])
    extractor = {"adapter": "language_model", "weights": str(chat), "instruction": ASKED}
    entries = {
        "captioner": captioner,
        "phrase_extractor": {**extractor, "precision": "float32", "max_tokens": 64},
        "text_audio_scorer": {"adapter": "clap", "weights": str(claps.folder)},
    }
    return models_of(folder, entries)


def test_the_phrases_of_a_caption_are_scored_against_the_recording(models, real_recordings) -> None:
    stage = Describe()
    stage.bind(StageContext(RATE, 0, models))
    stage.setup()
    found = stage.process(Batch({"unit_id": ["0"], "mixture": real_recordings[:1]}))
    ((phrase,),) = found["description_phrases"]
    assert (phrase["text"], phrase["speech"]) == ("dog barking", False)
    (score,) = models.load("text_audio_scorer").score(["dog barking"], real_recordings[:1], RATE)
    assert phrase["agreement"] == pytest.approx(score.clip, abs=1e-4)


def test_it_keeps_the_contract_of_stages(models, real_recordings, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    for number, waveform in enumerate(real_recordings[:4]):
        soundfile.write(tmp_path / "recordings" / f"{number}.wav", waveform, RATE)
    manifest, profile, pipeline = (tmp_path / name for name in ("mine.parquet", "profile.yaml", "mine.yaml"))
    index([str(tmp_path / "recordings")], str(manifest), IndexOptions())
    profile.write_text(dump_yaml(models.profile.model_dump(exclude_none=True)))
    stages = ["decode", "describe"]
    pipeline.write_text(dump_yaml({"input": str(manifest), "profile": str(profile), "stages": stages}))
    report = check_stage("describe", pipeline=pipeline)
    assert [each for each in report.checks if not each.passed] == []
    assert report.passed
