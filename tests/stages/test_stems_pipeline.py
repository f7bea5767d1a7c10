"""`stages/stems.yaml` on real stems: from folders and labelled recordings to shards."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import soxr
from binding import bound

from dataengine import Pipeline, run
from dataengine.engine.batch import Batch
from dataengine.errors import UserError
from manifests.indexing import IndexOptions, index
from manifests.media import decode_flac, read_window
from manifests.tables import read_table
from stages.mix_stems import MixStems
from stages.name_stems import NameStems

RATE = 16_000
PIPELINE = "stages/stems.yaml"


def labelled(sources: list[dict[str, Any]]) -> list[str]:
    """File names for stems, by what they hold."""
    return [source["label"].replace("/", " ") for source in sources]


@pytest.fixture(scope="module")
def tracks(demo_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes as folders of stems: as they are, without a mixture and uneven, with a wrong mixture, broken."""
    folder = tmp_path_factory.mktemp("tracks")
    truth = pq.read_table(demo_directory / "truth" / "calibrate.parquet").to_pylist()
    scenes: dict[str, list[dict[str, Any]]] = {}
    for row in truth:
        scenes.setdefault(row["scene"], []).append(row)
    usable = [
        name
        for name, rows in scenes.items()
        if rows[0]["stem"]
        and rows[0]["category"] == "speech"
        and len({row["label"] for row in rows}) == len(rows)
    ]
    for track, scene in zip(("whole", "uneven", "other_mixture", "broken"), usable, strict=False):
        (folder / track).mkdir()
        for row, name in zip(scenes[scene], labelled(scenes[scene]), strict=True):
            shutil.copy(demo_directory / "truth" / row["stem"], folder / track / f"{name}.flac")
    shutil.copy(demo_directory / "calibrate" / usable[0], folder / "whole" / "mixture.flac")
    shutil.copy(demo_directory / "calibrate" / usable[5], folder / "other_mixture" / "mixture.flac")
    soundfile.write(folder / "whole" / "tambourine.flac", np.zeros(441_000), 44_100)
    first, *_ = sorted((folder / "uneven").glob("*.flac"))
    waveform, rate = soundfile.read(first)
    soundfile.write(first, soxr.resample(waveform[: 7 * rate], rate, 22_050), 22_050)
    (folder / "broken" / "piano.flac").write_bytes(b"fLaC and no more")
    return folder


def run_on(manifest: Path, run_dir: Path) -> list[dict[str, Any]]:
    """Samples of a run, by what is known of them."""
    overrides = [f"input={manifest}", "profile=stems_16khz", "engine.workers=1"]
    run(Pipeline.load(PIPELINE, overrides), run_dir)
    return pa.concat_tables(map(pq.read_table, (run_dir / "samples").glob("*.parquet"))).to_pylist()


def packed(run_dir: Path) -> dict[str, dict[str, Any]]:
    """Sample id → its notes and waveforms."""
    found: dict[str, dict[str, Any]] = {}
    for shard in (run_dir / "shards").glob("*.tar"):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                file = tar.extractfile(member)
                assert file is not None
                content = file.read()
                value = json.loads(content) if suffix == "json" else decode_flac(content)[0]
                found.setdefault(key, {})[suffix] = value
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_from_folders_of_stems_to_triplets(tracks: Path, tmp_path: Path) -> None:
    index([str(tracks)], str(tmp_path / "m.parquet"), IndexOptions(stems=True, workers=1, licence="GPL-2+"))
    samples = run_on(tmp_path / "m.parquet", tmp_path / "run")
    by_track: dict[str, list[dict[str, Any]]] = {}
    for row in samples:
        by_track.setdefault(Path(row["uri"]).parent.name, []).append(row)
    (broken,) = by_track["broken"]
    assert broken["status"] == "failed"
    assert broken["error"].startswith("piano.flac: ")
    assert all("stems_error_db" in row["failed_criteria"] for row in by_track["other_mixture"])
    (silent,) = [row for row in by_track["whole"] if row["text"] == "tambourine playing"]
    assert {"silence_ratio", "target_level_db"} <= set(silent["failed_criteria"])
    kept = [row for row in samples if row["kept"]]
    shards = packed(tmp_path / "run")
    assert set(shards) == {row["sample_id"] for row in kept}
    for row in kept:
        sample = shards[row["sample_id"]]
        notes = sample["json"]
        assert (notes["kind"], notes["text"], notes["text_source"]) == ("triplet", row["text"], "label")
        assert notes["provenance"]["licence"] == "GPL-2+"
        assert 3_500 <= notes["band_hz"] <= RATE / 2
        assert notes["target_stems"] == row["target_stems"]
        assert len(notes["stem_phrases"]) == len(row["stems"])
        assert all(row["text"] in notes["stem_phrases"][stem] for stem in row["target_stems"])
        np.testing.assert_array_equal(sample["mix.flac"], sample["target.flac"] + sample["residual.flac"])
        if "whole" in row["uri"]:
            true = sum(read_window(row["stems"][stem]["uri"], 0, 10, RATE) for stem in row["target_stems"])
            np.testing.assert_allclose(sample["target.flac"], np.float32(notes["gain"]) * true, atol=1e-6)
    assert {"whole", "uneven"} == {Path(row["uri"]).parent.name for row in kept}
    assert {"woman speaking", "man speaking", "speech"} & {row["text"] for row in kept}


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_from_labelled_recordings_to_sources(recordings: Path, catalogue_clips: Any, tmp_path: Path) -> None:
    clips = catalogue_clips("calibrate", category="sound", count=8)
    table = tmp_path / "labels.csv"
    rows = [f"{recordings / clip.clip.name},{clip.clip.label}" for clip in clips]
    table.write_text("uri,label\n" + "\n".join([*rows, f"{recordings / clips[0].clip.name}.missing,x"]))
    sources = [str(recordings / clip.clip.name) for clip in clips]
    options = IndexOptions(metadata=str(table), workers=1, minimum_seconds=0.05)
    index(sources, str(tmp_path / "m.parquet"), options)
    samples = run_on(tmp_path / "m.parquet", tmp_path / "run")
    kept = [row for row in samples if row["kept"]]
    assert len(kept) >= 6
    shards = packed(tmp_path / "run")
    for row in kept:
        sample = shards[row["sample_id"]]
        assert sample["json"]["kind"] == row["kind"] == "source"
        np.testing.assert_array_equal(sample["mix.flac"], sample["target.flac"])
        assert not sample["residual.flac"].any()


@pytest.fixture(scope="module")
def units(tracks: Path, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Windows of 4 s of the track without a mixture, whose stems are not of one length."""
    out = str(tmp_path_factory.mktemp("units") / "m.parquet")
    index([str(tracks / "uneven")], out, IndexOptions(stems=True, workers=1, window_seconds=4))
    return read_table(out)


def stages(units: pa.Table) -> tuple[NameStems, MixStems]:
    schema = dict(zip(units.schema.names, units.schema.types, strict=True))
    return bound(NameStems(), schema=schema), bound(MixStems(), schema=schema)


def test_a_stem_that_ends_is_silent_from_there_on(units: pa.Table) -> None:
    name, mix = stages(units)
    batch = mix.process(name.process(Batch.from_arrow(units)))
    assert len(batch) == 3 * len(units["stems"][0])
    for mixture, target, residual, duration in zip(
        batch["mixture"], batch["target"], batch["residual"], batch["duration"], strict=True
    ):
        assert len(mixture) == len(target) == len(residual) == round(duration * RATE)
        np.testing.assert_allclose(mixture, target + residual, atol=1e-7)
    short = sorted(stem["uri"] for stem in units["stems"][0].as_py())[0]
    position = [stem["uri"] for stem in units["stems"][0].as_py()].index(short)
    (target,) = [
        target
        for target, stems, start in zip(batch["target"], batch["target_stems"], batch["start"], strict=True)
        if stems == [position] and start == 4
    ]
    assert not target[round(3.05 * RATE) :].any()
    np.testing.assert_allclose(target[: 2 * RATE], read_window(short, 4, 2, RATE), atol=1e-6)


def test_a_candidate_does_not_depend_on_the_others(units: pa.Table) -> None:
    name, mix = stages(units)
    rows = name.process(Batch.from_arrow(units))
    together = mix.process(rows)
    for row in range(len(rows)):
        alone = mix.process(rows.take([row]))
        for column in ("mixture", "target", "residual"):
            np.testing.assert_array_equal(alone[column][0], together[column][row])


def test_a_stem_that_is_gone_is_an_error_of_its_window(units: pa.Table) -> None:
    name, mix = stages(units)
    rows = name.process(Batch.from_arrow(units.slice(0, 1)))
    stems = [{**stem, "uri": stem["uri"] + ".gone"} for stem in rows["stems"][0]]
    with pytest.raises(FileNotFoundError):
        mix.process(rows.with_columns(stems=[stems] * len(rows)))


def test_a_manifest_without_labels_is_told(units: pa.Table) -> None:
    with pytest.raises(UserError, match=r"`--stems`.*column 'label'"):
        stages(units.drop_columns(["stems"]))


def test_a_recording_without_a_label_has_no_candidates(units: pa.Table) -> None:
    plain = units.drop_columns(["stems"]).append_column("label", pa.array(["dog", None, "a man speaking"]))
    name, _ = stages(plain)
    batch = name.process(Batch.from_arrow(plain))
    assert list(batch["text"]) == ["dog barking", "man speaking"]
    assert list(batch["kind"]) == ["source", "source"]
    assert list(batch["speech_prompt"]) == [False, True]


def test_channels_of_one_file_are_stems(tmp_path: Path, catalogue_clips: Any) -> None:
    """Two people, a microphone each; in a sound file and in a container."""
    clips = catalogue_clips("calibrate", category="speech", min_seconds=2, count=2)
    voices = [soxr.resample(clip.waveform, clip.sample_rate, 48_000)[:96_000] for clip in clips]
    soundfile.write(tmp_path / "talk.wav", np.stack(voices, axis=1), 48_000)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", tmp_path / "talk.wav", "-c:a", "flac", tmp_path / "copy.mka"],
        check=True,
    )
    (tmp_path / "labels.csv").write_text(
        "file_name,label\n"
        + "".join(f"{name},a woman speaking; a man speaking\n" for name in ("talk.wav", "copy.mka"))
    )
    out = str(tmp_path / "m.parquet")
    sources = [str(tmp_path / name) for name in ("talk.wav", "copy.mka")]
    index(sources, out, IndexOptions(stems=True, metadata=str(tmp_path / "labels.csv"), workers=1))
    units = read_table(out)
    name, mix = stages(units)
    batch = mix.process(name.process(Batch.from_arrow(units)))
    assert list(batch["text"]) == ["woman speaking", "man speaking"] * 2
    expected = [soxr.resample(voice, 48_000, RATE, quality="HQ") for voice in voices] * 2
    for target, residual, voice, other in zip(
        batch["target"], batch["residual"], expected, expected[1:] + expected[:1], strict=True
    ):
        np.testing.assert_allclose(target, voice, atol=1e-4)
        np.testing.assert_allclose(residual, other, atol=1e-4)
