"""What a stage logs says which slice and which units it was about."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cheap_runs import write_manifest

from dataengine import Pipeline, run

HERE = Path(__file__).parent


@pytest.mark.usefixtures("ray_cluster")
def test_records_of_stages_and_libraries_carry_slice_stage_and_units(tmp_path):
    import ray

    manifest = write_manifest(tmp_path / "manifest.parquet", 8)
    file = tmp_path / "talking.yaml"
    file.write_text(
        "stages: [tone, talk, propose, halve, draw, judge]\nengine: {slice_units: 4, micro_batch_units: 2}\n"
    )
    sources = [str(HERE / "cheap_stages.py"), str(HERE / "talking_stages.py")]
    run(Pipeline.load(file, [f"input={manifest}"], sources), tmp_path / "run")

    logs = Path(tempfile.gettempdir()) / "ray" / ray.get_runtime_context().get_session_name() / "logs"
    lines = [line for path in logs.glob("worker-*.err") for line in path.read_text().splitlines()]
    records = [json.loads(line) for line in lines if '"stage": "talk"' in line]
    units = pq.read_table(manifest).column("unit_id").to_pylist()
    said = {tuple(record["rows"]): record for record in records if record["logger"] == "a_library"}
    assert set(said) == {tuple(units[start : start + 2]) for start in range(0, 8, 2)}
    for rows, record in said.items():
        assert record["message"] == "a strange header in 2 files"
        assert record["level"] == "warning"
        assert record["slice"] == units.index(rows[0]) // 4
        assert record["group"] == "tone…judge"
    assert any("slow path" in record["message"] for record in records)
