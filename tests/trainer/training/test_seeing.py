"""What a person sees of a training run: the summary, the page, TensorBoard."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataengine.cli import app
from trainer.training.folder import WORK_FILE

STEPS = 6


@pytest.fixture(scope="module")
def trained(tmp_path_factory, recording_shards) -> tuple[Path, dict[str, object]]:
    """A finished training with two validations, and the summary it printed."""
    folder = tmp_path_factory.mktemp("seen")
    (folder / "train.yaml").write_text(
        f"""
preset: tiny
steps: {STEPS}
data:
  shards: {{recording: ["{recording_shards}/*.tar"]}}
  mixing: {{shares: {{synthetic: 1}}, seconds: 1.0}}
batch: {{seconds: 4.0, workers: 0}}
checkpoints: {{every: 3}}
validation: {{shards: ["{recording_shards}/*.tar"], samples: 3, examples: 2}}
tensorboard: true
"""
    )
    arguments = ["train", str(folder / "train.yaml"), "-o", str(folder / "run"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return folder / "run", json.loads(result.stdout)


def test_the_summary_says_how_fast_it_was(trained):
    run, summary = trained
    assert summary["steps"] == STEPS
    assert summary["report"] == str(run / "report.html")
    assert summary["steps_a_second"] > 0
    work = json.loads((run / WORK_FILE).read_text())
    assert summary["frames_a_second"] == pytest.approx(work["frames"] * summary["steps_a_second"])
    assert 0 < summary["utilisation"] < 1
    assert 0 <= summary["data_wait_share"] < 1


def test_the_page_plays_what_validations_wrote(trained):
    run, _ = trained
    page = (run / "report.html").read_text()
    links = set(re.findall(r'src="([^"]+)"', page))
    assert len(links) == 2 * 5 * 2  # examples; mixture, truth, residual and two targets; sound and picture
    assert all((run / link).is_file() for link in links)
    for step in (3, 6):
        assert f"at {step}" in page
    assert (run / "examples" / "step-00000006" / "00" / "prompt.txt").read_text().strip() in page
    assert page.count("<svg xmlns") == 6


def test_the_page_is_made_again_and_what_others_wrote_is_escaped(trained):
    run, _ = trained
    prompt = run / "examples" / "step-00000006" / "00" / "prompt.txt"
    prompt.write_text("<script>alert(1)</script>\n")
    with (run / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "lo')  # the run goes on
    result = CliRunner().invoke(app, ["report", str(run)])
    assert result.exit_code == 0, result.output
    page = (run / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_tensorboard_has_the_figures_and_the_sounds(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, _ = trained
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    logged = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().split("\n")[:STEPS]]
    assert [each.value for each in events.Scalars("train/loss")] == pytest.approx(logged)
    assert [each.step for each in events.Scalars("validation/target_gain")] == [3, 6]
    assert {tag.rpartition("/")[2] for tag in events.Tags()["audio"]} == {
        "mixture",
        "truth",
        "target",
        "residual",
    }
    assert events.Tags()["images"]


def test_a_folder_without_steps_has_no_page(tmp_path):
    (tmp_path / "train.json").write_text("{}")
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert result.exit_code == 2
    assert "no step is done yet" in result.stderr
