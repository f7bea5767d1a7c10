"""A row that takes its worker down, does not come to an end or wants too much memory costs only itself.

A process that cannot be started stops the run.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cheap_runs import write_manifest
from faulty_stages import fault_of

from dataengine import Pipeline, run
from dataengine.errors import EngineError

pytestmark = pytest.mark.usefixtures("ray_cluster")

HERE = Path(__file__).parent
ENDS = {
    "crash": ("WorkerCrashedError", "SIGSEGV"),
    "exit": ("WorkerCrashedError", "exit code 3"),
    "hang": ("StageStalledError", "did not come to an end within 2 s"),
    "memory": ("MemoryError", "Unable to allocate"),
}


@pytest.mark.slow
@pytest.mark.parametrize("groups", ["null", "[[tone], [misbehave, propose], [halve, draw, judge]]"])
def test_rows_that_kill_or_stall_their_worker_fail_and_all_others_are_done(tmp_path, groups):
    units = 44
    manifest = write_manifest(tmp_path / "manifest.parquet", units)
    file = tmp_path / "faulty.yaml"
    file.write_text(
        "stages: [tone, misbehave, propose, halve, draw, judge]\n"
        f"engine: {{slice_units: 11, micro_batch_units: 4, stage_seconds: 2, groups: {groups}}}\n"
    )
    sources = [str(HERE / "cheap_stages.py"), str(HERE / "faulty_stages.py")]
    summary = run(Pipeline.load(file, [f"input={manifest}"], sources), tmp_path / "run")
    rows = pq.read_table(tmp_path / "run" / "samples").to_pandas()
    assert rows["sample_id"].is_unique
    assert summary.counts.units == rows["unit_id"].nunique() == units
    seen = set()
    for unit, of_unit in rows.groupby("unit_id"):
        fault = fault_of(unit)
        seen.add(fault)
        if fault == "none":
            assert not (of_unit["status"] == "failed").any()
            continue
        (row,) = of_unit.itertuples()
        error_type, message = ENDS[fault]
        assert (row.status, row.stage, row.error_type) == ("failed", "misbehave", error_type)
        assert message in row.error
        if fault in ("crash", "hang"):
            assert "faulty_stages.py" in row.traceback
    assert seen == {*ENDS, "none"}


def test_a_process_that_cannot_be_started_is_one_line(cheap_pipeline, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", "x" * 200_000)  # more than the system gives to a process, in one variable
    with pytest.raises(EngineError) as stopped:
        run(cheap_pipeline(32), tmp_path / "run")
    (line,) = str(stopped.value).splitlines()
    assert line.startswith("a worker could not be set up: its process cannot be started on ")
    assert "Argument list too long" in line
    assert line.endswith("; run the same command again when this is mended")
