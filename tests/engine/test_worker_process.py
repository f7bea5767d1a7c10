"""What a worker does with a slice that it is given again."""

from __future__ import annotations

from dataengine.engine.footers import read_footers
from dataengine.engine.lease import Lease
from dataengine.engine.messages import SliceReport
from dataengine.engine.stage_call import Suspects
from dataengine.engine.storage import Storage
from dataengine.engine.worker_process import GroupWork, SliceRequest, SliceWorker
from dataengine.runner import _job


def test_a_committed_slice_is_not_done_again(cheap_run, cheap_pipeline, tmp_path):
    pipeline = cheap_pipeline(20)
    cheap_run(tmp_path / "run", 20)
    storage, calls = Storage.at(tmp_path / "run"), []
    with Lease(storage) as lease:
        job = _job(pipeline, storage, lease.holder, None)
        work = GroupWork(job, *pipeline.worker_groups, True, True)
        worker = SliceWorker(work, lambda stage, rows: calls.append(stage))
        report = SliceReport.from_json(worker.do(SliceRequest(1, Suspects(), given=1)))
    assert not calls
    committed = list(read_footers(storage))[1]
    assert (report.slice, report.counts, report.work) == (1, committed.counts, committed.work)
