"""A whole run through the engine: everything planned is in the table, once, whatever happens."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from cheap_stages import number_of

from dataengine import run
from dataengine.errors import UserError

pytestmark = pytest.mark.usefixtures("ray_cluster")


def samples_of(run_dir: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in sorted((run_dir / "samples").glob("*.parquet"))])


def contents(run_dir: Path, folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run_dir / folder).iterdir())}


def test_every_unit_is_accounted_for(cheap_pipeline, tmp_path):
    pipeline = cheap_pipeline(200, "stages.tone.fail_every=11", unreadable_every=40)
    summary = run(pipeline, tmp_path / "run")
    rows = samples_of(tmp_path / "run").to_pandas()

    units = pq.read_table(pipeline.input).to_pandas().set_index("unit_id")
    assert set(rows["unit_id"]) == set(units.index)
    assert rows["sample_id"].is_unique
    for unit, of_unit in rows.groupby("unit_id"):
        if pd.notna(units.loc[unit, "error"]):
            assert list(of_unit["stage"]) == ["index"]
            assert list(of_unit["error_type"]) == ["CorruptMediaError"]
        elif number_of(unit) % 11 == 0:
            assert list(of_unit["stage"]) == ["tone"]
            assert list(of_unit["error"]) == ["this unit is poison"]
        elif number_of(unit) % 4 == 0:
            assert list(of_unit["status"]) == ["empty"]
        else:
            assert list(of_unit["status"]) == ["done"] * (number_of(unit) % 4)
            assert (of_unit["kept"] == (of_unit["score"] > 0.5)).all()
            assert [list(c) for c in of_unit["failed_criteria"]] == [
                [] if k else ["score"] for k in of_unit["kept"]
            ]
    assert summary.counts.units == 200
    assert summary.counts.kept == rows["kept"].sum()
    assert summary.counts.failed == (rows["status"] == "failed").sum()


def test_shards_hold_the_kept_samples_and_their_stems_add_up(cheap_run, tmp_path):
    cheap_run(tmp_path / "run", 120)
    rows = samples_of(tmp_path / "run").to_pandas().set_index("sample_id")
    packed: dict[str, dict[str, bytes]] = {}
    for shard in sorted((tmp_path / "run" / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, suffix = member.name.split(".", 1)
                assert rows.loc[key, "shard"] == f"shards/{shard.name}"
                packed.setdefault(key, {})[suffix] = tar.extractfile(member).read()
    kept = rows[rows["kept"]]
    assert set(packed) == set(kept[~kept["never_train"]].index)
    assert set(kept.loc[kept["never_train"], "left_out"]) == {"never_train"}
    for key, members in packed.items():
        stems = {
            name: soundfile.read(io.BytesIO(members[f"{name}.flac"]))[0]
            for name in ("mix", "target", "residual")
        }
        assert np.abs(stems["mix"] - stems["target"] - stems["residual"]).max() == 0
        facts = json.loads(members["json"])
        assert facts["text"] == rows.loc[key, "text"]
        assert facts["scores"] == {"score": pytest.approx(rows.loc[key, "score"])}
        assert facts["provenance"]["licence"] == "CC0-1.0"


def test_retained_audio_stays_in_the_parts(cheap_run, tmp_path):
    cheap_run(tmp_path / "run", 60, "pack.shard_megabytes=0.1")
    rows = samples_of(tmp_path / "run").to_pandas()
    retained = rows[rows["retained"] & ~rows["kept"]]
    assert len(retained)
    assert (retained["score"] > 0.25).all()
    for row in retained.itertuples():
        with tarfile.open(tmp_path / "run" / row.shard) as tar:
            assert f"{row.key}.target.flac" in tar.getnames()
    gone = rows[~rows["retained"] & ~rows["kept"]]
    assert gone["shard"].isna().all()


def test_groups_and_slices_change_nothing_but_the_way(cheap_pipeline, tmp_path):
    run(cheap_pipeline(120, "stages.tone.fail_every=7", "engine.workers=2"), tmp_path / "fused")
    by_hand = "engine.groups=[[tone, propose], [halve], [draw, judge]]"
    run(
        cheap_pipeline(120, "stages.tone.fail_every=7", by_hand, "engine.slice_units=7", "engine.workers=1"),
        tmp_path / "split",
    )
    places = ("shard", "part_tar", "audio_offset", "traceback")
    columns = [name for name in samples_of(tmp_path / "fused").column_names if name not in places]
    assert samples_of(tmp_path / "fused").select(columns) == samples_of(tmp_path / "split").select(columns)
    fused, split = (list(contents(tmp_path / way, "shards").values()) for way in ("fused", "split"))
    assert len(fused) > 1
    assert fused == split


def test_a_limit_is_the_beginning_of_the_whole(cheap_pipeline, tmp_path):
    pipeline = cheap_pipeline(100)
    assert run(pipeline, tmp_path / "run", limit=20).counts.units == 32
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "parts").rglob("*.parquet")}
    assert run(pipeline, tmp_path / "run").counts.units == 100
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    run(pipeline, tmp_path / "whole")
    assert contents(tmp_path / "run", "samples") == contents(tmp_path / "whole", "samples")
    assert contents(tmp_path / "run", "shards") == contents(tmp_path / "whole", "shards")


def test_another_pipeline_is_refused_with_what_changed(cheap_run, cheap_pipeline, tmp_path):
    cheap_run(tmp_path / "run", 20)
    with pytest.raises(UserError, match="threshold"):
        run(cheap_pipeline(20, "stages.judge.threshold=0.7"), tmp_path / "run")


def test_another_manifest_is_refused(cheap_run, cheap_pipeline, tmp_path):
    cheap_run(tmp_path / "run", 20)
    with pytest.raises(UserError, match="manifest"):
        run(cheap_pipeline(21), tmp_path / "run")


def test_packing_may_change_between_runs(cheap_run, cheap_pipeline, tmp_path):
    cheap_run(tmp_path / "run", 120)
    summary = run(cheap_pipeline(120, "pack.quota_per_label=5"), tmp_path / "run")
    rows = samples_of(tmp_path / "run").to_pandas()
    assert rows[rows["kept"] & rows["left_out"].isna()].groupby("text").size().max() == 5
    assert summary.left_out["quota"] == (rows["left_out"] == "quota").sum()


@pytest.mark.slow
def test_a_killed_driver_is_resumed_by_the_same_command(cheap_pipeline, tmp_path):
    pipeline = cheap_pipeline(300, "stages.tone.seconds_each=0.02")
    command = [
        sys.executable,
        "-c",
        DRIVER,
        str(tmp_path / "cheap.yaml"),
        pipeline.input,
        str(tmp_path / "killed"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    driver = subprocess.Popen(command, env=environment, start_new_session=True)
    parts = tmp_path / "killed" / "parts"
    deadline = time.monotonic() + 120
    while len(list(parts.rglob("*.parquet"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    done = len(list(parts.rglob("*.parquet")))
    assert 4 <= done < 19
    subprocess.run(command, env=environment, check=True, timeout=200)
    run(pipeline, tmp_path / "whole")
    assert contents(tmp_path / "killed", "samples") == contents(tmp_path / "whole", "samples")
    assert contents(tmp_path / "killed", "shards") == contents(tmp_path / "whole", "shards")
    assert not list(parts.rglob("*.incomplete"))


DRIVER = """
import sys
from dataengine import Pipeline, run
import cheap_stages
path, manifest, run_dir = sys.argv[1:]
pipeline = Pipeline.load(path, [f"input={manifest}", "stages.tone.seconds_each=0.02"], [cheap_stages.__file__])
run(pipeline, run_dir)
"""


def test_a_run_at_work_refuses_a_second_driver(cheap_pipeline, tmp_path):
    from dataengine.engine.lease import Lease
    from dataengine.engine.storage import Storage

    with Lease(Storage.at(tmp_path / "run")), pytest.raises(UserError, match=r"process \d+ on .* is at work"):
        run(cheap_pipeline(10), tmp_path / "run")
    assert run(cheap_pipeline(10), tmp_path / "run").counts.units == 10
