"""`dataengine loop` from the command line, whole."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dataengine.cli import app
from tests.faults.driver_process import Driver, run_to_end

ROUNDS = int(os.environ.get("DATAENGINE_SOAK_ROUNDS", "1"))
SECONDS = 1200.0
SECONDS_OF_A_STEP = 8.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def ended(loop_folder: Path) -> Path:
    """The loop's directory after both rounds."""
    code, printed = run_to_end(
        ["loop", loop_folder / "loop.yaml"], loop_folder / "output.txt", seconds=SECONDS
    )
    assert code == 0, printed
    return loop_folder / "loop"


def answer(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["loop", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def status(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer("status", directory, "--json"))
    return found


def test_a_round_that_gains_is_promoted_and_labels_in_the_next(ended):
    first, second = status(ended)["rounds"]
    assert first["decision"]["promoted"]
    assert first["difference"]["all"]["low"] > 0
    assert first["labelled_by"] == 0
    assert second["labelled_by"] == 1
    assert status(ended)["promoted"] == (2 if second["decision"]["promoted"] else 1)
    profile = (ended / "rounds" / "0002" / "profile.yaml").read_text()
    assert str(ended / "rounds" / "0001" / "train" / "separator") in profile
    trained = json.loads((ended / "rounds" / "0002" / "train" / "train.json").read_text())
    assert trained["start_from"] == str(ended / "rounds" / "0001" / "train" / "separator")
    assert trained["data"]["shards"]["pseudo_labelled"] == [second["labels"]]


def test_the_report_shows_rounds_labels_and_the_same_scenes_by_every_separator(ended):
    page = Path(answer("report", ended).strip()).read_text()
    first, second = status(ended)["rounds"]
    assert page.count("<strong>promoted</strong>: it gains") >= 1
    assert "By round 1, " in page  # … so many labels stayed, were gained, and lost
    for number in ("0000", "0001", "0002"):
        assert f'src="examples/00/{number}.flac"' in page
        assert (ended / "examples" / "00" / f"{number}.png").is_file()
    for place in ("rounds/0001/label/report.html", "rounds/0002/train/report.html"):
        assert f'href="{place}"' in page
        assert (ended / place).is_file()
    assert first["candidates"] == second["candidates"]


def test_samples_tell_in_which_round_they_were_labelled(ended):
    for number in (1, 2):
        rows = pq.read_table(ended / "rounds" / f"{number:04d}" / "label" / "samples", columns=["round"])
        assert set(rows.column("round").to_pylist()) == {number}


def test_lineage_names_every_recording_of_the_pool_and_of_the_training_shards(ended, loop_folder):
    found = json.loads(answer("lineage", ended, "1", "--json"))
    rows = pq.read_table(ended / "rounds/0001/label/samples").to_pylist()
    packed = {row["recording_id"] for row in rows if row["kept"] and row["left_out"] is None}
    assert {each["recording_id"] for each in found["recordings"]} == packed
    assert (
        found["untold"] == 6
    )  # the clips that training files of the tests name do not say what they are from
    assert found["origins"] == [str(loop_folder / "first")]
    assert found["trainings"] == [str(ended / "rounds" / "0001" / "train")]
    assert "was shaped by" in answer("lineage", ended)


def test_a_loop_that_is_done_goes_on_when_more_rounds_are_asked_for(ended, loop_folder):
    before = status(ended)
    assert json.loads(answer(loop_folder / "loop.yaml", "--json")) == before
    result = CliRunner().invoke(app, ["loop", str(loop_folder / "loop.yaml"), "--set", "evaluate.scenes=3"])
    assert result.exit_code == 2
    assert "a loop with other settings" in result.stderr


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_any_moment_a_loop_comes_to_the_same_table_and_decisions(ended, loop_folder, seed):
    killed, output, chance = loop_folder / f"killed-{seed}", loop_folder / "killed.txt", random.Random(seed)
    command = ["loop", loop_folder / "loop.yaml", "--set", f"directory={killed}"]
    for step in ("label", "train", "evaluate"):
        driver = Driver(command, output)
        assert driver.wait_until(lambda step=step: step_of(killed) == step, SECONDS)
        time.sleep(chance.uniform(0, SECONDS_OF_A_STEP))
        if driver.running():
            driver.signal_all(signal.SIGKILL)
    code, printed = run_to_end(command, output, seconds=SECONDS)
    assert code == 0, printed
    expected, found = status(ended), status(killed)
    for each in (*expected["rounds"], *found["rounds"]):
        each.pop("labels")
    assert found == expected


def step_of(directory: Path) -> str | None:
    """What the loop does next."""
    place = directory / "loop.json"
    rounds = json.loads(place.read_text())["rounds"] if place.exists() else []
    return rounds[-1]["step"] if rounds else None
