from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from binding import bound

from dataengine.engine.batch import Batch
from dataengine.errors import UserError
from dataengine.models.waveforms import resample
from stages.caption import Caption

RATE = 16_000
VOICES = {"f": "woman speaking", "m": "man speaking"}


@pytest.fixture(scope="module")
def caption() -> Caption:
    return bound(Caption())


def windows(mixtures: dict[str, np.ndarray]) -> Batch:
    return Batch({"unit_id": list(mixtures), "mixture": list(mixtures.values())})


def prompts(batch: Batch) -> dict[str, list[str]]:
    by_unit: dict[str, list[str]] = {}
    for unit, text in zip(batch["unit_id"], batch["text"], strict=True):
        by_unit.setdefault(unit, []).append(text)
    return by_unit


def test_speech_is_proposed_where_somebody_speaks(caption: Caption, scenes) -> None:
    chosen = [scene for split in ("pool", "gate") for scene in scenes(split)]
    batch = caption.process(windows({scene.name: scene.mixture for scene in chosen}))
    asked = {unit for unit, speech in zip(batch["unit_id"], batch["speech_prompt"], strict=True) if speech}
    spoken = {
        scene.name for scene in chosen if any(source["category"] == "speech" for source in scene.sources)
    }
    assert len(spoken) >= 20
    assert len(asked & spoken) / len(spoken) >= 0.9
    assert len(asked & spoken) / len(asked) >= 0.75


def test_who_speaks_is_said_where_it_is_sure(caption: Caption, scenes) -> None:
    chosen = [
        *scenes("calibrate", "speech_sound", "speech_music"),
        *scenes("gate", "speech_sound", "speech_music"),
    ]
    found = prompts(caption.process(windows({scene.name: scene.mixture for scene in chosen})))
    right = []
    for scene in chosen:
        spoken_by = {VOICES[s["gender"][0]] for s in scene.sources if s["category"] == "speech"}
        right += [text in spoken_by for text in found.get(scene.name, []) if text in VOICES.values()]
    assert len(right) >= 8
    assert np.mean(right) >= 0.9


@pytest.mark.parametrize(
    ("label", "phrase"),
    [
        ("dog barking", "dog barking"),
        ("cat", "cat meowing"),
        ("piano", "piano playing"),
        ("chainsaw", "chainsaw running"),
    ],
)
def test_a_recording_of_one_sound_is_named(
    caption: Caption, catalogue_clips, label: str, phrase: str
) -> None:
    (clip, *_) = catalogue_clips("gate", label=label)
    mixture = resample(clip.waveform, clip.sample_rate, RATE)
    assert phrase in caption.process(windows({"clip": mixture}))["text"]


def test_nothing_is_proposed_for_silence(caption: Caption) -> None:
    silence = np.zeros(10 * RATE, np.float32)
    assert len(caption.process(windows({"silence": silence, "nothing": silence[:0]}))) == 0


def test_candidates_do_not_depend_on_the_batch(caption: Caption, scenes) -> None:
    mixtures = {scene.name: scene.mixture for scene in scenes("pool")[:8]}
    together = caption.process(windows(mixtures))
    alone = Batch.concat([caption.process(windows({name: mixtures[name]})) for name in mixtures])
    for column in ("unit_id", "text", "text_source"):
        assert together[column] == alone[column]
    assert together["text_confidence"] == pytest.approx(alone["text_confidence"], abs=1e-5)


def test_the_most_confident_prompts_come_first_and_once(scenes) -> None:
    mixtures = {scene.name: scene.mixture for scene in scenes("pool")}
    batch = bound(Caption(max_prompts=2, threshold=0.05)).process(windows(mixtures))
    pairs = list(zip(batch["unit_id"], batch["text"], strict=True))
    assert len(set(pairs)) == len(pairs)
    confidence = {unit: [] for unit in mixtures}
    for unit, value in zip(batch["unit_id"], batch["text_confidence"], strict=True):
        confidence[unit].append(value)
    assert max(map(len, confidence.values())) == 2
    assert all(values == sorted(values, reverse=True) for values in confidence.values())


def test_sources_of_one_phrase_are_joined(caption: Caption, scenes) -> None:
    mixtures = {scene.name: scene.mixture for scene in scenes("calibrate", "speech_sound", "speech_music")}
    sources = set(caption.process(windows(mixtures))["text_source"])
    assert {"tagger", "gender+tagger+vad"} <= sources
    assert sources <= {"tagger", "vad", "tagger+vad", "gender+vad", "gender+tagger+vad"}


def test_a_candidate_carries_its_windows_columns(caption: Caption, scenes) -> None:
    (scene, *_) = scenes("gate", "speech_sound")
    batch = caption.process(windows({scene.name: scene.mixture}))
    assert all(mixture is scene.mixture for mixture in batch["mixture"])
    assert set(batch["kind"]) == {"text"}


def test_the_phrase_table_decides_the_stages_identity(tmp_path: Path) -> None:
    shipped = bound(Caption()).identity()
    copy = tmp_path / "phrases.yaml"
    table = Path("conf/prompts/audioset_phrases.yaml").read_text()
    copy.write_text(table)
    assert bound(Caption(phrases=str(copy))).identity() == shipped
    copy.write_text(table.replace("dog barking", "barking dog"))
    assert bound(Caption(phrases=str(copy))).identity() != shipped
    copy.write_text("phrases:\n  dog barking: {classes: [Dog]}\n")
    with pytest.raises(UserError, match="lacks the phrase 'speech'"):
        bound(Caption(phrases=str(copy)))
