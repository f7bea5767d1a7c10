"""The events of a run: what an operator greps for is there, once."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dataengine import run
from dataengine.engine.events import EventLog
from dataengine.engine.messages import SliceReport
from dataengine.engine.storage import Storage
from dataengine.errors import EngineError


def events_of(run_dir: Path) -> list[dict]:
    files = sorted((run_dir / "log" / "events").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.mark.usefixtures("ray_cluster")
def test_slices_and_failed_rows_are_told_as_they_stand_in_the_table(cheap_pipeline, tmp_path):
    summary = run(cheap_pipeline(100, "stages.tone.fail_every=11", unreadable_every=40), tmp_path / "run")
    events = events_of(tmp_path / "run")
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["run_started", "pool_planned"]
    assert kinds[-1] == "run_finished"
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)

    slices = [event for event in events if event["event"] == "slice_committed"]
    assert sorted(event["slice"] for event in slices) == list(range(events[0]["slices"]))
    for name in ("units", "candidates", "kept", "failed"):
        assert sum(event[name] for event in slices) == getattr(summary.counts, name) == events[-1][name]
    assert all(event["seconds"] > 0 and event["workers"] for event in slices)

    rows = pq.read_table(tmp_path / "run" / "samples").to_pandas()
    failed = rows[rows["status"] == "failed"]
    assert set(failed["stage"]) == {"index", "tone"}
    told = [event for event in events if event["event"] == "unit_failed"]
    columns = ["unit_id", "sample_id", "stage", "error_type", "error"]
    assert sorted(
        tuple(event[{"error": "message"}.get(name, name)] for name in columns) for event in told
    ) == sorted(failed[columns].itertuples(index=False, name=None))


@pytest.mark.usefixtures("ray_cluster")
def test_a_run_that_gives_up_says_why_and_the_next_driver_writes_beside_it(cheap_pipeline, tmp_path):
    overrides = ["stages.tone.fail_every=2", "engine.slice_units=8"]
    with pytest.raises(EngineError, match="max_failed"):
        run(cheap_pipeline(64, *overrides, "engine.max_failed=1"), tmp_path / "run")
    (last,) = events_of(tmp_path / "run")[-1:]
    assert last["event"] == "run_stopped"
    assert last["reason"] == "EngineError"
    assert "more than engine.max_failed" in last["message"]
    run(cheap_pipeline(64, *overrides), tmp_path / "run")
    assert len(list((tmp_path / "run" / "log" / "events").iterdir())) == 2
    assert [event["event"] for event in events_of(tmp_path / "run")].count("run_started") == 2


def test_on_an_object_store_events_are_written_in_pieces_and_outlast_its_troubles(monkeypatch):
    storage = Storage.at("memory://events-in-pieces")
    monkeypatch.setattr("dataengine.engine.events.PIECE_CHARACTERS", 1000)
    written = Storage.replace

    def down(*_: object) -> None:
        raise OSError("the store is down")

    with EventLog(storage, epoch=3) as events:
        for number in range(10):
            events.add(SliceReport(number, postponed="storage is slow"))
        monkeypatch.setattr(Storage, "replace", down)
        for number in range(10, 30):
            events.add(SliceReport(number, postponed="storage is down"))
        monkeypatch.setattr(Storage, "replace", written)
    names = list(storage.files("log/events"))
    assert names == [f"log/events/00003-{piece:06d}.jsonl" for piece in range(len(names))]
    assert len(names) > 1
    lines = [json.loads(line) for name in names for line in storage.read(name).splitlines()]
    assert [line["slice"] for line in lines] == list(range(30))
