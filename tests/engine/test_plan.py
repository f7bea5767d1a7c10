"""Manifests cut into slices."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine.engine import plan as plan_module
from dataengine.engine.plan import manifest_digest, plan_schema, read_slice, write_plan
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from manifests.schema import MANIFEST_SCHEMA


def manifest_of(path, units, row_group_size=50):
    rows = [
        {
            "unit_id": f"{n:032x}",
            "recording_id": "one",
            "uri": f"memory:{n}",
            "start": float(n),
            "duration": 1.0,
        }
        for n in range(units)
    ]
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST_SCHEMA), path, row_group_size=row_group_size)
    return str(path)


@settings(max_examples=30)
@given(units=st.integers(1, 400), slice_units=st.integers(1, 70), row_group_size=st.integers(1, 120))
def test_slices_are_the_manifest_in_its_order(tmp_path_factory, units, slice_units, row_group_size):
    folder = tmp_path_factory.mktemp("plan")
    manifest = manifest_of(folder / "m.parquet", units, row_group_size)
    storage = Storage.at(folder / "run")
    plan = write_plan(manifest, storage, slice_units)
    slices = [read_slice(storage, number) for number in range(plan.slices)]
    assert all(each.num_rows == slice_units for each in slices[:-1])
    assert pa.concat_tables(slices) == pq.read_table(manifest)
    assert plan.units == units
    assert plan.manifest_digest == manifest_digest(manifest)
    assert plan_schema(storage).names == MANIFEST_SCHEMA.names


def test_a_plan_of_several_files_is_read_by_slice_number(tmp_path, monkeypatch):
    monkeypatch.setattr(plan_module, "SLICES_A_FILE", 4)
    storage = Storage.at(tmp_path / "run")
    plan = write_plan(manifest_of(tmp_path / "m.parquet", 100), storage, 3)
    assert len(list(storage.files("plan"))) == 9
    assert read_slice(storage, 33)["unit_id"].to_pylist() == [f"{99:032x}"]
    assert plan.slices == 34


def test_an_empty_manifest_is_refused(tmp_path):
    with pytest.raises(UserError, match="no rows"):
        write_plan(manifest_of(tmp_path / "m.parquet", 0), Storage.at(tmp_path / "run"), 8)


def test_a_unit_that_comes_twice_is_refused(tmp_path):
    manifest_of(tmp_path / "m.parquet", 99)
    rows = pq.read_table(tmp_path / "m.parquet")
    pq.write_table(pa.concat_tables([rows, rows.slice(7, 1)]), tmp_path / "twice.parquet")
    with pytest.raises(UserError, match="twice"):
        write_plan(str(tmp_path / "twice.parquet"), Storage.at(tmp_path / "run"), 8)


@pytest.mark.parametrize("strange", ["../../etc/passwd", "recording 1", "0" * 31, "0" * 32 + "\n", None])
def test_ids_that_are_none_of_ours_are_refused(tmp_path, strange):
    manifest = manifest_of(tmp_path / "m.parquet", 5)
    table = pq.read_table(manifest)
    ids = [*table.column("unit_id").to_pylist()[:4], strange]
    table = table.set_column(0, pa.field("unit_id", pa.string()), pa.array(ids))
    pq.write_table(table, manifest)
    with pytest.raises(UserError, match="no id of ours"):
        write_plan(manifest, Storage.at(tmp_path / "run"), 2)
