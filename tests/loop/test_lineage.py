"""Lineage where a loop is asked from elsewhere, was moved, or learnt from what lies outside of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import webdataset
from typer.testing import CliRunner

from dataengine.cli import app
from dataengine.loop.promotion import Decision
from dataengine.loop.state import LoopDirectory, LoopState
from dataengine.yaml_source import dump_yaml
from trainer.training.configuration import TrainConfig
from trainer.training.distributed import World
from trainer.training.loop import train

PROMOTED = Decision(promoted=True, reason="better")
LOOP = {
    "initial": "runs/first/separator",
    "label": {"input": "pool.parquet"},
    "train": {"config": "train.yaml", "pseudo_labelled_share": 1},
    "evaluate": {"truth": "gate.parquet"},
}


def write_shard(folder: Path, recording: str, separator: Path | str | None = None) -> None:
    """A shard of one sample, of which only the notes are there; a trained separator may have made its stems."""
    folder.mkdir(parents=True)
    notes: dict[str, Any] = {"recording_id": recording, "uri": f"{recording}.wav"}
    if separator is not None:
        card = {"adapter": "trained", "options": {"folder": str(separator)}}
        notes["provenance"] = {"licence": "CC0-1.0", "models": {"separator": card}}
    with webdataset.TarWriter(str(folder / "shard-000000.tar")) as tar:
        tar.write({"__key__": recording, "json": json.dumps(notes).encode()})


def write_training(folder: Path, started_in: Path, shards: dict[str, list[str]], start: str | None) -> None:
    """What a training leaves that lineage reads."""
    (folder / "separator").mkdir(parents=True)
    (folder / "started_in.txt").write_text(str(started_in))
    (folder / "train.json").write_text(json.dumps({"data": {"shards": shards}, "start_from": start}))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a loop of two rounds was run from: `runs/loop`, which began with `runs/first/separator`.

    That one learnt from `clips` and from labels of yet another one, `runs/older/separator`.
    """
    home = tmp_path / "home"
    first, older, loop = (home / "runs" / name for name in ("first", "older", "loop"))
    write_shard(home / "clips", "clip")
    write_shard(home / "old-clips", "old-clip")
    write_shard(home / "old-labels", "old-label", older / "separator")
    write_training(older, home, {"recording": ["old-clips"]}, None)
    write_training(first, home, {"recording": ["clips/*.tar"], "pseudo_labelled": ["old-labels"]}, None)
    state = LoopState(settings=json.dumps(LOOP))
    labeller = first / "separator"
    for number in (1, 2):
        state = state.begun().decided(PROMOTED)
        round_folder = loop / "rounds" / f"{number:04d}"
        write_shard(round_folder / "label" / "shards", f"pool-{number}", labeller)
        entry = {"adapter": "trained", "folder": str(labeller), "shifts": 2}
        (round_folder / "profile.yaml").write_text(dump_yaml({"models": {"separator": entry}}))
        shards = {"recording": ["clips"], "pseudo_labelled": [str(round_folder / "label")]}
        write_training(round_folder / "train", home, shards, str(labeller))
        labeller = round_folder / "train" / "separator"
    LoopDirectory(loop).save(state)
    return home


def lineage(loop: Path, number: int) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["loop", "lineage", str(loop), str(number), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def recordings(found: dict[str, Any]) -> list[str]:
    return [each["recording_id"] for each in found["recordings"]]


def test_it_is_the_same_from_every_directory(home, monkeypatch, tmp_path):
    monkeypatch.chdir(home)
    expected = lineage(Path("runs/loop"), 2)
    assert recordings(expected) == ["clip", "old-clip", "old-label", "pool-1", "pool-2"]
    assert expected["origins"] == []
    write_shard(tmp_path / "elsewhere" / "clips", "of another project")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert lineage(home / "runs" / "loop", 2) == expected


def test_what_labelled_elsewhere_shaped_it_too(home):
    found = lineage(home / "runs" / "loop", 0)
    assert recordings(found) == ["clip", "old-clip", "old-label"]
    assert found["trainings"] == [str(home / "runs" / name) for name in ("first", "older")]


def test_a_loop_that_was_moved_is_read_where_it_lies(home):
    """Another loop may be where it was; what lies outside of it has stayed."""
    expected = lineage(home / "runs" / "loop", 2)
    moved = (home / "runs" / "loop").rename(home.parent / "moved")
    assert recordings(lineage(moved, 2)) == recordings(expected)
    write_shard(home / "runs" / "loop" / "rounds" / "0001" / "label" / "shards", "of another loop")
    found = lineage(moved, 2)
    assert recordings(found) == recordings(expected)
    assert found["trainings"][:2] == [str(moved / "rounds" / f"{each:04d}" / "train") for each in (2, 1)]
    assert found["origins"] == []


def test_shards_that_are_gone_are_one_line(home):
    (home / "clips" / "shard-000000.tar").unlink()
    result = CliRunner().invoke(app, ["loop", "lineage", str(home / "runs" / "loop"), "1"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"{home / 'clips'}" in result.stderr


def test_a_training_leaves_where_its_paths_start_from(recording_shards, monkeypatch, tmp_path):
    settings = {
        "preset": "tiny",
        "steps": 1,
        "data": {
            "shards": {"recording": [recording_shards.name]},
            "mixing": {"shares": {"synthetic": 1}, "seconds": 0.5},
        },
        "batch": {"seconds": 0.5, "workers": 0},
        "objective": {"alignment": 0},
    }
    (tmp_path / "train.yaml").write_text(dump_yaml(settings))
    monkeypatch.chdir(recording_shards.parent)
    train(TrainConfig.load(tmp_path / "train.yaml"), tmp_path / "home" / "runs" / "first", World())
    LoopDirectory(tmp_path / "loop").save(LoopState(settings=json.dumps(LOOP)))
    monkeypatch.chdir(tmp_path / "home")
    found = lineage(tmp_path / "loop", 0)
    assert found["trainings"] == [str(tmp_path / "home" / "runs" / "first")]
    assert found["untold"] == 6
