"""A benchmark's recording on its way to the weights, under another name: marked, left out, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from click.testing import Result
from typer.testing import CliRunner

from dataengine.cli import app
from dataengine.yaml_source import dump_yaml
from manifests.media import encode_stems
from manifests.tables import read_table

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]

TRAINING = {
    "preset": "tiny",
    "steps": 1,
    "data": {"shards": {}, "mixing": {"shares": {"synthetic": 1}, "seconds": 0.5}},
    "batch": {"seconds": 0.5, "workers": 0},
    "objective": {"alignment": 0},
}


def command(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def folder(recordings: Path, catalogue_clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pool/` with clips of calibrate, and of gate and final under innocent names; `never.parquet` lists the latter."""
    folder = tmp_path_factory.mktemp("smuggled")
    (folder / "pool").mkdir()
    labels = ["file_name,label"]
    for split in ("calibrate", "gate", "final"):
        for number, found in enumerate(catalogue_clips(split, category="sound", min_seconds=1, count=2)):
            source = recordings / found.clip.name
            name = f"{split}-{number}{source.suffix}"
            shutil.copy(source, folder / "pool" / name)
            labels.append(f"{name},{found.clip.label}")
            if split != "calibrate":
                (folder / "benchmark").mkdir(exist_ok=True)
                shutil.copy(source, folder / "benchmark" / f"of-{name}")
    (folder / "labels.csv").write_text("\n".join(labels))
    command("index", folder / "benchmark", "--fingerprint", "-o", folder / "never.parquet")
    never, out = folder / "never.parquet", folder / "pool.parquet"
    command("index", folder / "pool", "--metadata", folder / "labels.csv", "--never-train", never, "-o", out)
    settings = (f"input={out}", "profile=stems_16khz", "engine.workers=1")
    chosen = [each for setting in settings for each in ("--set", setting)]
    command("run", "stages/stems.yaml", *chosen, "--run-dir", folder / "run")
    (folder / "train.yaml").write_text(dump_yaml(TRAINING))
    return folder


def train(folder: Path, shards: Path, out: Path) -> Result:
    settings = (f"data.shards.recording=[{shards}]", f"never_train=[{folder / 'never.parquet'}]")
    chosen = [each for setting in settings for each in ("--set", setting)]
    return CliRunner().invoke(app, ["train", str(folder / "train.yaml"), *chosen, "-o", str(out)])


def test_index_marks_it_and_its_samples_are_in_no_shard(folder: Path, tmp_path: Path) -> None:
    manifest = read_table(str(folder / "pool.parquet")).to_pylist()
    marked = {Path(row["uri"]).name.partition("-")[0]: row["never_train"] for row in manifest}
    assert marked == {"calibrate": False, "gate": True, "final": True}
    samples = pa.concat_tables(map(pq.read_table, (folder / "run" / "samples").glob("*.parquet"))).to_pylist()
    kept = [row for row in samples if row["kept"]]
    assert {row["left_out"] for row in kept if row["never_train"]} == {"never_train"}
    assert {row["shard"] is None for row in kept if not row["never_train"]} == {False}
    trained = train(folder, folder / "run", tmp_path / "trained")
    assert trained.exit_code == 0, trained.output


@pytest.mark.parametrize("split", ["gate", "final"])
def test_the_trainer_refuses_it_in_shards_that_were_made_by_hand(
    folder: Path, catalogue_clips, tmp_path: Path, split: str
) -> None:
    manifest = read_table(str(folder / "pool.parquet")).to_pylist()
    recording = next(row["recording_id"] for row in manifest if f"/{split}-" in row["uri"])
    (clip, *_) = catalogue_clips(split, category="sound", min_seconds=1, count=2)
    stems = encode_stems(
        clip.waveform, clip.waveform, np.zeros_like(clip.waveform), sample_rate=clip.sample_rate
    )
    notes = {"text": "nothing to see here"}
    for number, told in enumerate((notes | {"recording_id": recording}, notes)):
        shards = tmp_path / f"by-hand-{number}"
        shards.mkdir()
        with webdataset.TarWriter(str(shards / "shard-000000.tar")) as tar:
            members = {**dict(stems.members()), "json": json.dumps(told).encode()}
            tar.write({"__key__": "innocent", **members})
        refused = train(folder, shards, tmp_path / f"trained-{number}")
        assert refused.exit_code == 2
        said = refused.stderr.splitlines()[-1]
        assert said.startswith(f"dataengine: {shards}/shard-000000.tar:innocent.json: ")
        assert ("must never train, says", "does not say which recording it is from")[number] in said
        assert not list((tmp_path / f"trained-{number}").glob("checkpoints/*"))
