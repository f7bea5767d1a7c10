"""The scores that ask a model, on real stems."""

from __future__ import annotations

import numpy as np
import pytest
from binding import bound

from dataengine.engine.batch import Batch
from stages.scene_complexity import SceneComplexity
from stages.speech_presence import SpeechPresence
from stages.text_audio import TextAudio


def true_separations(scenes) -> Batch:
    """Scenes of speech over a sound or music, separated perfectly for the prompt "speech"."""
    chosen = [s for split in ("calibrate", "gate") for s in scenes(split, "speech_sound", "speech_music")]
    voices = [scene.stem("speech") for scene in chosen]
    return Batch(
        {
            "text": ["speech"] * len(chosen),
            "mixture": [scene.mixture for scene in chosen],
            "target": voices,
            "residual": [scene.mixture - voice for scene, voice in zip(chosen, voices, strict=True)],
        }
    )


def test_the_prompt_describes_the_target_and_not_the_residual(scenes) -> None:
    batch = bound(TextAudio()).process(true_separations(scenes))
    assert np.mean(batch["text_audio_target"] > batch["text_audio_residual"]) >= 0.9
    assert np.median(batch["text_audio_target"]) > np.median(batch["text_audio_mixture"])
    assert batch["text_audio_target"].dtype == np.float32


def test_frames_of_the_scores_come_with_their_hop(scenes) -> None:
    stage = bound(TextAudio(frames=True))
    separations = true_separations(scenes).slice(0, 3)
    batch = stage.process(separations)
    for stem in ("target", "residual", "mixture"):
        columns = batch[f"text_audio_{stem}_frames"], batch["text_audio_hop_seconds"], separations[stem]
        for frames, hop, waveform in zip(*columns, strict=True):
            assert len(frames) == pytest.approx(len(waveform) / 16_000 / hop, abs=2)
    assert batch["text_audio_target_frames"][0].max() > batch["text_audio_residual_frames"][0].max()


def test_speech_is_present_in_voices_and_not_in_what_is_left(scenes) -> None:
    batch = bound(SpeechPresence()).process(true_separations(scenes))
    assert np.mean(batch["speech_target"] > 0.5) >= 0.9
    voice_above_rest = batch["speech_target"][:, None] > batch["speech_residual"]
    assert voice_above_rest.mean() >= 0.95  # area under the ROC curve


def test_speech_must_last_for_the_minimum_to_be_present(scenes) -> None:
    separations = true_separations(scenes).slice(0, 6)
    present = [
        bound(SpeechPresence(minimum_speech_seconds=seconds)).process(separations)["speech_target"]
        for seconds in (0.1, 1.0, 20.0)
    ]
    assert (present[0] >= present[1]).all()
    assert (present[2] == 0).all()


def test_frames_of_speech_come_with_their_hop(scenes) -> None:
    batch = bound(SpeechPresence(frames=True)).process(true_separations(scenes).slice(0, 2))
    assert batch["speech_hop_seconds"] == pytest.approx([0.032, 0.032])
    for name in ("speech_target_frames", "speech_residual_frames"):
        assert all(((frames >= 0) & (frames <= 1)).all() for frames in batch[name])


def test_a_single_source_is_less_complex_than_the_scene(scenes) -> None:
    separations = true_separations(scenes)
    stage = bound(SceneComplexity())
    of_voices = stage.process(separations)["scene_complexity"]
    of_scenes = stage.process(separations.with_columns(target=separations["mixture"]))["scene_complexity"]
    assert np.mean(of_voices < of_scenes) >= 0.75
