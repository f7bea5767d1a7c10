"""What a run knows of the drivers it has had, those that were killed among them."""

from __future__ import annotations

import pytest

from dataengine import driver_log, run
from dataengine.driver_log import DriverLog, driver_times
from dataengine.engine.lease import Holder
from dataengine.engine.messages import SliceReport
from dataengine.engine.parts import Counts
from dataengine.engine.storage import Storage
from dataengine.errors import EngineError


def test_a_driver_that_was_killed_has_left_its_time_and_its_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(driver_log, "SECONDS_BETWEEN_WRITES", 0.0)
    storage = Storage.at(tmp_path)
    log = DriverLog(storage, Holder("here", 1, 3, 0.0), workers=2).__enter__()
    (begun,) = driver_times(storage)
    assert (begun.workers, begun.counts) == (2, Counts())
    log.add(SliceReport(0, Counts(units=8, failed=1)))
    log.add(SliceReport(1, postponed="storage is away"))
    log.add(SliceReport(2, Counts(units=8)))  # and no more: no block is left, nothing is written at the end
    (killed,) = driver_times(storage)
    assert killed.started == begun.started
    assert killed.seconds > begun.seconds
    assert killed.counts == Counts(units=16, failed=1)


def test_what_failed_under_an_earlier_driver_counts_for_max_failed(cheap_pipeline, tmp_path, ray_cluster):
    failing = "stages.tone.fail_every=2"
    done = run(cheap_pipeline(64, failing), tmp_path / "run", limit=32)
    assert done.counts.failed > 4
    with pytest.raises(EngineError, match="more than engine"):
        run(cheap_pipeline(64, failing, f"engine.max_failed={done.counts.failed}"), tmp_path / "run")
