"""`deterministic: true`: two runs agree to the byte, even where stages see the company that a row is in."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from batch_stages import KILLED
from cheap_job import CheapJob, results
from driver_process import run_to_end

pytestmark = pytest.mark.slow

STAGES = ("--stages", str(Path(__file__).with_name("batch_stages.py")))


def test_killed_workers_do_not_change_what_stages_see_together(tmp_path):
    job = CheapJob.write(tmp_path / "job", 64)
    job.pipeline.write_text(
        "deterministic: true\nstages: [tone, company, propose, halve, draw, judge]\n"
        "engine: {slice_units: 16, micro_batch_units: 4}\n"
    )
    killed, output = tmp_path / "killed", tmp_path / "output.txt"
    killed.mkdir()
    assert run_to_end(job.command(tmp_path / "undisturbed", *STAGES), output)[0] == 0
    assert run_to_end(job.command(tmp_path / "disturbed", *STAGES), output, {KILLED: str(killed)})[0] == 0
    assert len(list(killed.iterdir())) >= 3
    assert set(pq.read_table(tmp_path / "disturbed" / "samples").column("company").to_pylist()) == {4}
    assert results(tmp_path / "disturbed") == results(tmp_path / "undisturbed")

    code, printed = run_to_end(
        job.command(tmp_path / "disturbed", *STAGES, "--set", "engine.micro_batch_units=8"), output
    )
    assert code == 2
    assert "micro_batch_units: 4 → 8" in printed
