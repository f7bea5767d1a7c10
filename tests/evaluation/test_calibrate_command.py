"""`dataengine calibrate`, through the command line."""

import json
from pathlib import Path

import pyarrow.csv
import pytest
from typer.testing import CliRunner

from dataengine.cli import app
from dataengine.evaluation.truth import judge_run
from dataengine.report.run_directory import RunDirectory
from stages.criteria import load_filter_file

LOOSE = Path(__file__).resolve().parents[2] / "conf" / "filters" / "embedded_loose.yaml"

pytestmark = pytest.mark.slow


def calibrate(*arguments: str | Path) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["calibrate", *map(str, arguments)])
    return answer.exit_code, answer.output


def test_thresholds_from_the_truth(labelled_run: RunDirectory, demo_directory: Path, tmp_path: Path) -> None:
    out, truth = tmp_path / "filters.yaml", demo_directory / "truth" / "calibrate.parquet"
    code, text = calibrate(
        labelled_run.storage.root,
        *("--truth", truth, "--criteria", LOOSE, "-o", out),
        *("--scores", "expected_gain_db,speech_target", "--precision", "0.25", "--confidence", "0.8"),
    )
    assert code == 0, text
    filters = load_filter_file(str(out), labelled_run.columns)
    assert filters.calibration["overall"]["bound"] >= 0.25
    assert filters.calibration["models"]["enhancer"]["digest"]
    assert filters.calibration["labels"]["tables"] == [str(truth)]
    assert {"silence_ratio", "remix_error_db"} < {criterion.score for criterion in filters.criteria}


def test_labels_of_ones_own_and_a_precision_out_of_reach(
    labelled_run: RunDirectory, demo_directory: Path, tmp_path: Path
) -> None:
    judged = judge_run(labelled_run, [demo_directory / "truth" / "calibrate.parquet"])
    labels, out = tmp_path / "labels.csv", tmp_path / "filters.yaml"
    pyarrow.csv.write_csv(judged.select(["sample_id", "right"]), labels)
    run_dir = labelled_run.storage.root
    code, text = calibrate(
        run_dir, "--labels", labels, "--criteria", LOOSE, "-o", out, "--precision", "0.99", "--json"
    )
    assert code == 1
    assert json.loads(text)["reached"] is False
    assert "is not reached" in out.read_text()
    filters = load_filter_file(str(out), labelled_run.columns)
    assert filters.calibration["labels"]["tables"] == [str(labels)]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give one of --truth and --labels"),
        (("--labels", "{labels}", "--truth", "{labels}"), "give one of --truth and --labels"),
        (("--labels", "{labels}"), "0 candidates of this run are labelled; at least 50 are needed"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], complaint: str, labelled_run: RunDirectory, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("sample_id,right\n" + "".join(f"{n:032x},true\n" for n in range(60)))
    given = [each.format(labels=labels) for each in arguments]
    code, text = calibrate(
        labelled_run.storage.root, *given, "--criteria", LOOSE, "-o", tmp_path / "filters.yaml"
    )
    assert code == 2
    assert complaint in " ".join(text.split())
