"""Selecting anew from stored scores: other verdicts, other shards, the run itself untouched."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from cheap_runs import cheap_pipelines
from test_run import contents, samples_of

from dataengine import run
from dataengine.cli import main
from dataengine.engine.lease import Lease
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.report.status import status_of
from dataengine.report.stored_audio import StoredAudio
from dataengine.selection import select

KEPT_ABOVE, RETAINED_ABOVE = 0.5, 0.25


@pytest.fixture(scope="module")
def finished(ray_cluster, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("selected")
    run(cheap_pipelines(folder)(150, "stages.tone.fail_every=11", "pack.shard_megabytes=0.1"), folder / "run")
    return folder / "run"


@pytest.fixture
def run_dir(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def filters(folder: Path, **thresholds: float) -> Path:
    """A filter file that wants each score above a threshold."""
    file = folder / f"{'_'.join(thresholds)}_{'_'.join(map(str, thresholds.values()))}.yaml"
    lines = [f"  - {{score: {name}, above: {value}}}" for name, value in thresholds.items()]
    file.write_text("\n".join(["criteria:", *lines]))
    return file


def selected(run_dir: Path, name: str) -> pd.DataFrame:
    return samples_of(run_dir / "selections" / name).to_pandas().set_index("sample_id")


@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_a_selection_keeps_what_a_run_with_these_criteria_would(run_dir, tmp_path, threshold):
    before = contents(run_dir, "samples"), contents(run_dir, "shards")
    selection = select(run_dir, filters(tmp_path, score=threshold), "other")
    own = samples_of(run_dir).to_pandas().set_index("sample_id")
    rows = selected(run_dir, "other")
    assert list(rows.index) == list(own.index)
    candidates = own["score"].notna()
    assert (rows["kept"] == (own["score"] > threshold)).all()
    failed = [[] if kept else ["score"] for kept in rows["kept"][candidates]]
    assert [list(each) for each in rows["failed_criteria"][candidates]] == failed
    assert rows["status"].equals(own["status"])
    assert rows["stage"].equals(own["stage"])
    assert rows["spans"].equals(own["spans"])

    tally = selection.tally
    assert tally.kept == rows["kept"].sum() > 0
    assert tally.gained == (rows["kept"] & ~own["kept"]).sum()
    assert tally.lost == (own["kept"] & ~rows["kept"]).sum()
    assert tally.gained + tally.lost > 0
    assert (contents(run_dir, "samples"), contents(run_dir, "shards")) == before

    packed = rows[rows["kept"] & rows["left_out"].isna()]
    assert set(packed.index) == set(rows.index[rows["kept"] & ~rows["never_train"]])
    in_tars = {}
    for name in selection.results.shards:
        with tarfile.open(run_dir / name) as tar:
            in_tars |= dict.fromkeys((member.split(".")[0] for member in tar.getnames()), name)
    assert in_tars == dict(packed["shard"])
    stored = StoredAudio(Storage.at(run_dir))
    for index in (rows[rows["kept"]].index[0], rows[~rows["kept"] & rows["shard"].notna()].index[0]):
        row = {"shard": rows.loc[index, "shard"], "key": rows.loc[index, "key"]}
        was = {"shard": own.loc[index, "shard"], "key": own.loc[index, "key"]}
        assert [s.content for s in stored.stems(row)] == [s.content for s in stored.stems(was)] != []


def test_what_passes_and_has_no_audio_is_counted_and_not_kept(run_dir, tmp_path):
    selection = select(run_dir, filters(tmp_path, score=0.1))
    own = samples_of(run_dir).to_pandas().set_index("sample_id")
    without_audio = (own["score"] > 0.1) & (own["score"] <= RETAINED_ABOVE)
    rows = selected(run_dir, selection.name)
    assert selection.name == "score_0.1"
    assert selection.tally.no_audio == without_audio.sum() > 0
    assert set(rows.loc[without_audio, "left_out"]) == {"no_audio"}
    assert not rows.loc[without_audio, "kept"].any()
    assert rows.loc[own["score"] > RETAINED_ABOVE, "kept"].all()


def test_the_same_selection_is_there_already_and_another_needs_another_name(run_dir, tmp_path):
    first = select(run_dir, filters(tmp_path, score=0.3), "mine")
    written = contents(run_dir / "selections" / "mine", "samples")
    assert select(run_dir, filters(tmp_path, score=0.3), "mine") == first
    with pytest.raises(UserError, match="choose another --name"):
        select(run_dir, filters(tmp_path, score=0.4), "mine")
    select(run_dir, filters(tmp_path, score=0.4), "yours")
    assert contents(run_dir / "selections" / "mine", "samples") == written
    assert status_of(run_dir).selections == ("mine", "yours")


def test_a_selection_that_was_interrupted_is_made_whole(run_dir, tmp_path):
    first = select(run_dir, filters(tmp_path, score=0.3), "mine")
    folder = run_dir / "selections" / "mine"
    whole = contents(folder, "samples"), contents(folder, "shards")
    (folder / "selection.json").unlink()
    sorted((folder / "shards").iterdir())[0].unlink()
    (folder / "samples" / "00000-of-others.parquet").write_bytes(b"of another writer")
    (folder / "shards" / "half.incomplete").write_bytes(b"half")
    again = select(run_dir, filters(tmp_path, score=0.3), "mine")
    assert again.results.samples == first.results.samples
    assert (contents(folder, "samples"), contents(folder, "shards")) == whole


def test_the_command_tells_what_changed(run_dir, tmp_path, monkeypatch, capsys):
    file = filters(tmp_path, score=0.1)
    arguments = ["dataengine", "select", str(run_dir), "--filters", str(file), "--name", "loose", "--json"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    written = json.loads((run_dir / "selections" / "loose" / "selection.json").read_text())
    assert told["tally"] == written["tally"]
    assert told["filters"]["criteria"][0]["above"] == 0.1
    monkeypatch.setattr(sys, "argv", arguments[:-3])
    with pytest.raises(SystemExit):
        main()
    assert "looser `retain:`" in " ".join(capsys.readouterr().out.split())


def test_bad_requests_are_refused_with_one_line(run_dir, tmp_path):
    with pytest.raises(UserError, match="'scoer'; did you mean 'score'"):
        select(run_dir, filters(tmp_path, scoer=0.1))
    with pytest.raises(UserError, match="cannot name a selection"):
        select(run_dir, filters(tmp_path, score=0.1), "../elsewhere")
    with Lease(Storage.at(run_dir)), pytest.raises(UserError, match="is at work here"):
        select(run_dir, filters(tmp_path, score=0.1))
    (run_dir / "finish.json").unlink()
    with pytest.raises(UserError, match="not finished"):
        select(run_dir, filters(tmp_path, score=0.1))
    assert not (run_dir / "selections").exists()


def test_the_samples_table_of_a_selection_has_the_columns_of_the_run(run_dir, tmp_path):
    selection = select(run_dir, filters(tmp_path, score=0.3))
    (own,) = (run_dir / "samples").iterdir()
    assert pq.read_schema(run_dir / selection.results.samples[0]).equals(
        pq.read_schema(own), check_metadata=True
    )
