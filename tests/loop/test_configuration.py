"""A loop file with something wrong in it: one line that says what and where, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataengine.cli import app


def refused(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["loop", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("promote=always", "unknown key 'promote' in the loop file"),
        ("rounds=0", "rounds in the loop file should be greater than or equal to 1"),
        ("evaluate.truth=nowhere.parquet", "there is no file nowhere.parquet"),
        ("train.start=scratch", "train.start in the loop file should be 'promoted' or 'anew'"),
        ("label.input=nowhere.parquet", "nowhere.parquet"),
        ("initial=nowhere", "this is no separator"),
        ("train.set=[data.mixing.shares.pseudo_labelled=1]", "names no pseudo-labels"),
        ("train.set=[steps=0]", "steps in the training file"),
        ("label.set=[stages.sing.loud=true]", "sing"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(loop_folder, setting, message):
    directory = loop_folder / "refused"
    assert message in refused(loop_folder / "loop.yaml", "--set", f"directory={directory}", "--set", setting)
    assert not directory.exists()


def test_options_may_come_before_the_file(loop_folder):
    assert "unknown key 'x'" in refused("--set", "x=1", loop_folder / "loop.yaml")


@pytest.mark.parametrize("command", [["status"], ["lineage"], ["rollback", "0"]])
def test_a_directory_without_a_loop_is_refused(command, tmp_path):
    assert "no loop: it has no loop.json" in refused(command[0], tmp_path / "nowhere", *command[1:])


def test_a_file_that_is_not_there_is_no_command(tmp_path):
    assert "cannot read" in refused(tmp_path / "statsu")
