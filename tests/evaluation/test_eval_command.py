"""`dataengine eval`, through the command line, on a few scenes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dataengine.cli import app
from tests.conftest import DATA
from tests.evaluation.benchmark.hub_rows import row, write_table, write_video

BENCHMARK = DATA / "test-benchmark-command"
FEW = ("--data", BENCHMARK, "--limit", "2", "--tasks", "speech,sound", "--prompts", "text")


def evaluate(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def evaluated(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded profile's separator held against the bundled one."""
    out = tmp_path_factory.mktemp("eval")
    code, _, stderr = evaluate("embedded", "--against", "seed", *FEW, "-o", out)
    assert code == 0, stderr
    return out


def figures(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "eval.json").read_text())
    return found


def test_figures_stand_beside_those_of_every_baseline(evaluated: Path) -> None:
    found = figures(evaluated)
    assert list(found["contestants"]) == [
        "embedded",
        "seed",
        "mixture",
        "oracle mask",
        "DTLN",
        "NSNet2",
        "Spleeter",
    ]
    rows = {each["task"]: each for each in found["measures"]["si_sdr_improvement"]["rows"]}
    assert list(rows) == ["speech", "sound", "all"]
    means = {name: each and each["mean"]["value"] for name, each in rows["speech"]["figures"].items()}
    assert means["mixture"] == 0
    assert means["embedded"] == pytest.approx(means["DTLN"])  # the profile asks that enhancer
    assert 0 < means["embedded"] < means["oracle mask"]
    assert set(found["measures"]) == {
        "si_sdr_improvement",
        "sdr_improvement",
        "residual_si_sdr_improvement",
        "text_audio",
        "silence",
    }
    assert "aesthetics_scorer" in found["not_available"]["Production quality"]
    assert found["absent"]["mixture"]["level"]["median"]["value"] == 0
    assert found["net_win_rate"]["si_sdr_improvement"][-1]["task"] == "all"
    assert found["models"]["separator"]["adapter"] == "enhancer_router"
    assert found["models"]["text_audio_scorer"]["digest"]
    assert Path(found["never_train"]).is_file()


def test_the_page_stands_by_itself(evaluated: Path) -> None:
    page = (evaluated / "report.html").read_text()
    assert page.count("<article") == 4
    assert page.count('src="') == page.count('src="data:') > 0
    assert "<h1>embedded" in page


def test_what_was_answered_is_not_asked_again(evaluated: Path) -> None:
    before = figures(evaluated)
    answers = {path: path.stat().st_mtime_ns for path in (evaluated / "answers").rglob("*.parquet")}
    code, stdout, stderr = evaluate("embedded", "--against", "seed", *FEW, "-o", evaluated, "--json")
    assert code == 0
    assert "Separating" not in stderr
    assert json.loads(stdout) == before == figures(evaluated)
    assert {path: path.stat().st_mtime_ns for path in answers} == answers


def test_a_separator_against_itself_wins_nothing(evaluated: Path) -> None:
    code, stdout, _ = evaluate("embedded", "--against", "embedded", *FEW, "-o", evaluated, "--json")
    assert code == 0
    found = json.loads(stdout)
    assert list(found["contestants"])[:2] == ["embedded", "embedded (2)"]
    for each in found["net_win_rate"]["si_sdr_improvement"]:
        assert each["rate"]["value"] == 0
        assert each["rate"]["low"] <= 0 <= each["rate"]["high"]


def test_a_table_tells_a_person(evaluated: Path) -> None:
    code, stdout, _ = evaluate("embedded", *FEW, "-o", evaluated)
    assert code == 0
    lines = stdout.splitlines()
    assert lines[0] == "embedded on the embedded benchmark, split gate"
    (head,) = (line.split() for line in lines if line.startswith("task "))
    assert head[:4] == ["task", "by", "questions", "embedded"]
    assert "oracle mask" in stdout
    assert f"page      {evaluated / 'report.html'}" in stdout


def test_recordings_without_true_stems(tmp_path: Path) -> None:
    """A benchmark in the hub's format: what needs a truth is not there, and no zero."""
    write_video(tmp_path / "media" / "avspeech" / "street.mp4", 6.0)
    table = write_table(
        tmp_path / "bench.parquet",
        row("street", "speech-clean-50:text-only", description="speech"),
        row("street", "others-50:text-only"),
        row("gone", "others-50:text-only"),
    )
    command = ("embedded", "--benchmark", table, "-o", tmp_path / "eval", "--json")
    code, _, stderr = evaluate(*command)
    assert code == 2
    assert "--media FOLDER" in stderr
    code, _, stderr = evaluate(*command, "--media", tmp_path / "media")
    assert code == 2
    assert "1 of 2 recordings are missing or cannot be read, the first is avspeech/gone" in stderr
    code, stdout, _ = evaluate(*command, "--media", tmp_path / "media", "--skip-missing")
    assert code == 0
    found = json.loads(stdout)
    assert set(found["measures"]) == {"text_audio", "silence"}
    assert found["not_available"]["SI-SDR improvement"] == "nobody has the true stems of these recordings"
    rows = {each["task"]: each["figures"] for each in found["measures"]["text_audio"]["rows"]}
    assert rows["speech"]["DTLN"] is not None
    assert rows["sound"]["DTLN"] is None
    assert rows["sound"]["oracle mask"] is None
    assert "Text–audio score by task and prompt" in (tmp_path / "eval" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--split", "final"), "split final is opened for figures that are reported"),
        (("--split", "pool"), "not of 'pool'"),
        (("--tasks", "speach"), "'speach' is none of them; did you mean 'speech'?"),
        (("--prompts", "text,smell"), "'smell' is none of them"),
        (("--tasks", "instrument-pro", "--prompts", "span"), "instrument-pro is not asked by span"),
        (("--prompts", "visual"), "the catalogue has no video: ask by text or span"),
        (
            ("--against", "no-such-separator"),
            "'no-such-separator' is no folder of a separator and no profile",
        ),
        (("--benchmark", "missing.parquet", "--media", "."), "this is no benchmark"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    code, _, stderr = evaluate(*arguments, "-o", tmp_path / "eval")
    assert code == 2
    assert complaint in stderr
    assert len(stderr.strip().splitlines()) == 1
    assert not (tmp_path / "eval" / "eval.json").exists()
