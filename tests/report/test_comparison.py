"""Two runs side by side: what may differ, and what is told of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dataengine.cli import app

THRESHOLD = -6.0
"""Of `target_level_db` in the run's filter."""

Changed = Callable[[Callable[[pd.DataFrame], pd.DataFrame]], Path]


@pytest.fixture
def changed(run_dir: Path, tmp_path: Path) -> Changed:
    """`changed(how)`: a copy of the run, with another table of samples."""

    def change(how: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        shutil.copytree(run_dir, folder)
        for path in (folder / "samples").glob("*.parquet"):
            table = pq.read_table(path)
            frame = how(table.to_pandas(types_mapper=pd.ArrowDtype))
            pq.write_table(pa.Table.from_pandas(frame, table.schema, preserve_index=False), path)
        return folder

    return change


@pytest.fixture
def judged(rows: pd.DataFrame) -> str:
    """A candidate that is kept."""
    return str(rows[rows["kept"]]["sample_id"].iloc[0])


def compared(first: Path, second: Path) -> tuple[int, dict[str, Any]]:
    answer = CliRunner().invoke(app, ["compare", str(first), str(second), "--json"])
    return answer.exit_code, json.loads(answer.stdout)


def with_level(sample: str, level: float, kept: bool) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The verdict on a sample as its level would have it."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        there = frame["sample_id"] == sample
        frame.loc[there, "target_level_db"] = level
        frame.loc[there, "kept"] = kept
        return frame

    return change


def moved(by: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(silence_ratio=frame["silence_ratio"] + by)


def test_a_run_agrees_with_itself_and_with_scores_within_the_tolerance(run_dir, changed):
    assert compared(run_dir, run_dir)[0] == 0
    code, found = compared(run_dir, changed(moved(2e-5)))
    assert code == 0
    assert found["agree"]
    drifts = {each["score"]: each["largest"] for each in found["drifts"]}
    assert drifts["silence_ratio"] == pytest.approx(2e-5, rel=0.1)
    assert drifts["scene_complexity"] == 0


def test_a_score_that_moved_further_is_a_difference(run_dir, changed):
    code, found = compared(run_dir, changed(moved(1e-3)))
    assert code == 1
    assert found["flips"] == 0


def test_a_flip_at_the_threshold_is_told_and_explained(changed, judged):
    first = changed(with_level(judged, THRESHOLD + 1e-5, kept=True))
    code, found = compared(first, changed(with_level(judged, THRESHOLD - 1e-5, kept=False)))
    assert code == 0
    (flip,) = found["near_flips"]
    assert flip["sample_id"] == judged
    assert flip["kept_by_first"]
    (crossing,) = flip["crossings"]
    assert crossing["criterion"] == "target_level_db"
    assert crossing["threshold"] == THRESHOLD


def test_a_flip_away_from_the_threshold_is_a_difference_and_says_why(run_dir, changed, judged):
    other = changed(with_level(judged, THRESHOLD - 1.0, kept=False))
    code, found = compared(run_dir, other)
    assert code == 1
    assert [flip["sample_id"] for flip in found["far_flips"]] == [judged]
    answer = CliRunner().invoke(app, ["compare", str(run_dir), str(other)])
    assert "target_level_db" in answer.stdout
    assert judged[:8] in answer.stdout


def test_samples_of_one_run_alone_and_other_statuses_are_differences(run_dir, changed, judged):
    code, found = compared(run_dir, changed(lambda frame: frame[frame["sample_id"] != judged]))
    assert code == 1
    assert (found["only_in_first"], found["only_in_second"]) == (1, 0)

    def failed(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame["sample_id"] == judged, "status"] = "failed"
        return frame

    code, found = compared(run_dir, changed(failed))
    assert code == 1
    assert found["other_status"] == 1


def test_a_run_that_is_not_finished_is_one_line(run_dir, changed):
    other = changed(lambda frame: frame)
    (other / "finish.json").unlink()
    answer = CliRunner().invoke(app, ["compare", str(run_dir), str(other)])
    assert answer.exit_code == 2
    assert "not finished" in answer.output
