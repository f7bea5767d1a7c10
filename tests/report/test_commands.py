"""`dataengine status`, `show` and `report` as a person or a program meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataengine.cli import app
from dataengine.report.formats import hours, printable, rate, score, share, span_of_time, threshold


def call(*arguments: str | Path, exit_code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(each) for each in arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_status_tells_progress_and_stages(run_dir):
    said = call("status", run_dir)
    assert "6 of 6" in said
    assert "23 of 23" in said
    assert "scene_complexity" in said
    assert json.loads(call("status", run_dir, "--json"))["state"] == "finished"


def test_show_tells_why(run_dir, rows):
    rejected = rows[rows["retained"] & ~rows["kept"]].iloc[0]
    said = call("show", rejected["sample_id"][:10], "--run-dir", run_dir)
    assert f"rejected by {', '.join(rejected['failed_criteria'])} (audio retained" in said
    assert rejected["text"] in said
    assert rejected["shard"] in said
    assert "−6" in said  # a threshold
    assert "kinds_of_sound" in said  # a model


def test_show_a_unit_and_one_of_its_samples_as_json(run_dir, rows):
    kept = rows[rows["kept"]].iloc[0]
    assert len(json.loads(call("show", kept["unit_id"], "--run-dir", run_dir, "--json"))) == 3
    (sample,) = json.loads(call("show", kept["sample_id"], "--run-dir", run_dir, "--json"))
    assert sample["text"] == kept["text"]
    assert [check["passed"] for check in sample["checks"]] == [True] * 4
    assert sample["models"]["tagger"]["adapter"] == "yamnet"


def test_show_a_failed_unit_with_its_traceback(run_dir, rows):
    failed = rows[rows["stage"] == "decode"].iloc[0]
    said = call("show", failed["sample_id"], "--run-dir", run_dir)
    assert "failed at decode: FileNotFoundError" in said
    assert "Traceback" in said


def test_show_writes_stems(run_dir, rows, tmp_path):
    kept = rows[rows["kept"]].iloc[0]["sample_id"]
    said = call("show", kept, "--run-dir", run_dir, "--play-to", tmp_path / "a.wav")
    assert str(tmp_path / "a.target.wav") in said
    assert (tmp_path / "a.residual.wav").is_file()


def test_mistakes_are_one_line(run_dir, tmp_path):
    for arguments in (
        ("status", tmp_path),
        ("report", tmp_path),
        ("show", "00000000", "--run-dir", tmp_path),
        ("show", "not an id", "--run-dir", run_dir),
    ):
        said = call(*arguments, exit_code=2)
        assert said.count("\n") == 1
        assert said.startswith("dataengine: ")


def test_report_prints_where_it_is(own_run_dir):
    assert call("report", own_run_dir, "--examples", "1").rstrip().endswith(str(own_run_dir / "report.html"))


def test_text_cannot_command_the_terminal():
    assert printable("a\x1b[31mred\nb\x07") == "a�[31mred\nb�"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (span_of_time(4.23), "4.2 s"),
        (span_of_time(59.7), "60 s"),
        (span_of_time(200), "3 min 20 s"),
        (span_of_time(7530), "2 h 05 min"),
        (span_of_time(4 * 86400 + 3 * 3600), "4 d 3 h"),
        (hours(2200), "37 min"),
        (hours(44_280), "12.3 h"),
        (share(1, 3), "33.3 %"),
        (share(0, 0), "–"),
        (score(None), "–"),
        (score(float("nan")), "–"),
        (score(-0.2054), "−0.205"),
        (score(-120.0), "−120.0"),
        (threshold(-25.0), "−25"),
        (rate(2074.3), "2,074"),
        (rate(4.571), "4.57"),
    ],
)
def test_numbers_read_well(said, expected):
    assert said == expected
