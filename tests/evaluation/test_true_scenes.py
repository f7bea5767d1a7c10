from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataengine.errors import UserError
from dataengine.evaluation.true_scenes import read_scenes
from manifests.catalogue.drawing import REAL_MIXTURE
from manifests.media import read_window

RATE = 16_000


def test_a_scene_is_the_sum_of_what_its_table_names(demo_directory: Path) -> None:
    scenes = read_scenes(demo_directory / "truth" / "calibrate.parquet")
    assert len(scenes) == 30
    for scene in list(scenes.values())[:4]:
        if scene.known:
            mixture = read_window(str(demo_directory / "calibrate" / scene.name), 0, 10, RATE)
            stems = scene.stems(0, 10, RATE)
            assert np.abs(np.sum(stems, axis=0) - mixture).max() < 1e-4


def test_utterances_of_which_a_voice_has_many_do_not_tie_scenes_together(demo_directory: Path) -> None:
    truth = pq.read_table(demo_directory / "truth" / "calibrate.parquet").to_pandas()
    long_voices = truth[(truth["category"] == "speech") & (truth["clips"].map(lambda c: len(set(c))) > 4)]
    scenes = read_scenes(demo_directory / "truth" / "calibrate.parquet")
    assert len(long_voices)
    for row in long_voices.to_dict("records"):
        assert not set(row["clips"]) & set(scenes[row["scene"]].clips)


def test_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no table of what scenes hold"):
        read_scenes(tmp_path / "missing.parquet")


def test_what_a_recording_holds_by_itself_nobody_knows(demo_directory: Path) -> None:
    scenes = read_scenes(demo_directory / "truth" / "calibrate.parquet")
    assert {scene.name for scene in scenes.values() if not scene.known} == {
        scene.name for scene in scenes.values() if scene.type == REAL_MIXTURE
    }
    unknown = next(scene for scene in scenes.values() if not scene.known)
    with pytest.raises(ValueError, match="nobody knows"):
        unknown.stems(0, 10, RATE)
