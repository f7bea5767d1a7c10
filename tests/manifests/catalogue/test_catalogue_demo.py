from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import soundfile

from dataengine.errors import UserError
from manifests.catalogue.demo import build_demo, make_demo_data
from manifests.catalogue.recordings import all_clips, clips_of

SPLITS = ("pool", "calibrate", "gate")


def truth(directory: Path, split: str) -> list[dict]:
    return pq.read_table(directory / "truth" / f"{split}.parquet").to_pylist()


@pytest.mark.parametrize("split", SPLITS)
def test_each_file_is_the_sum_of_its_stems_to_the_last_bit(demo_directory: Path, split: str) -> None:
    stems: dict[str, list[str]] = {}
    for row in truth(demo_directory, split):
        stems.setdefault(row["scene"], []).extend([row["stem"]] if row["stem"] else [])
    assert len(stems) == 30
    for scene, parts in stems.items():
        assert soundfile.info(demo_directory / split / scene).subtype == "PCM_24"
        mixture, rate = soundfile.read(demo_directory / split / scene, dtype="int32")
        assert rate == 44_100
        if parts:
            read = [soundfile.read(demo_directory / "truth" / part, dtype="int32")[0] for part in parts]
            assert (sum(read) == mixture).all()


@pytest.mark.parametrize("split", SPLITS)
def test_the_truth_names_clips_of_the_split_as_the_catalogue_does(demo_directory: Path, split: str) -> None:
    clips = {clip.name: clip for clip in clips_of(split)}
    for row in truth(demo_directory, split):
        assert len(row["clips"]) == len(row["spans"])
        assert row["start"] == pytest.approx(row["spans"][0]["start"])
        assert row["end"] == pytest.approx(row["spans"][-1]["end"])
        for name in row["clips"]:
            clip = clips[name]
            assert (row["label"], row["category"], row["speaker"] or "", row["gender"] or "") == (
                clip.label,
                clip.category,
                clip.speaker,
                clip.gender,
            )
            assert clip.licence in row["licence"].split(" AND ")
        assert (row["stem"] is None) == (row["scene_type"] == "real_mixture")


@pytest.mark.parametrize("split", SPLITS)
def test_what_a_pipeline_reads_holds_the_licence_and_no_truth(demo_directory: Path, split: str) -> None:
    with (demo_directory / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        metadata = {row.pop("file_name"): row for row in csv.DictReader(file)}
    assert set(metadata) == {path.name for path in (demo_directory / split).iterdir()}
    assert {key for row in metadata.values() for key in row} == {"licence"}
    for row in truth(demo_directory, split):
        assert set(row["licence"].split(" AND ")) <= set(metadata[row["scene"]]["licence"].split(" AND "))
    labels = {clip.label for clip in all_clips()}
    for path in (demo_directory / split).iterdir():
        assert not soundfile.SoundFile(path).copy_metadata()
        assert not any(label in path.name for label in labels)


def test_the_same_scenes_whatever_the_number_of_workers_or_scenes(
    demo_directory: Path, recordings: Path, tmp_path: Path
) -> None:
    build_demo(tmp_path, {"pool": 18}, recordings=recordings, workers=2)
    for path in sorted((tmp_path / "pool").iterdir()):
        assert path.read_bytes() == (demo_directory / "pool" / path.name).read_bytes()
    assert truth(tmp_path, "pool") == [row for row in truth(demo_directory, "pool") if row["number"] < 18]


def test_what_is_built_is_left_alone_and_another_count_builds_anew(recordings: Path, tmp_path: Path) -> None:
    build_demo(tmp_path, {"gate": 4}, recordings=recordings, workers=1)
    first = tmp_path / "gate" / "gate-000000.flac"
    before = first.stat().st_mtime_ns
    (tmp_path / "gate" / "mine.wav").write_bytes(b"not of the demo")
    build_demo(tmp_path, {"gate": 4}, recordings=recordings, workers=1)
    assert first.stat().st_mtime_ns == before
    build_demo(tmp_path, {"gate": 2}, recordings=recordings, workers=1)
    assert first.stat().st_mtime_ns != before
    assert sorted(path.name for path in (tmp_path / "gate").iterdir()) == [
        "gate-000000.flac",
        "gate-000001.flac",
        "mine.wav",
    ]


def test_an_unknown_split_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no split 'train'"):
        make_demo_data(tmp_path / "demo", splits=("train",))
    assert not (tmp_path / "demo").exists()
