"""Compacting: full folders of parts become tables, and nothing that reads a run notices."""

from __future__ import annotations

import shutil
from dataclasses import astuple
from pathlib import Path

import pytest
from cheap_runs import cheap_pipelines
from test_finish import results
from test_run import contents, samples_of

from dataengine import run
from dataengine.engine import compaction
from dataengine.engine import parts as parts_module
from dataengine.engine.compaction import compact
from dataengine.engine.footers import read_footers
from dataengine.engine.part_rows import failed_units
from dataengine.engine.parts import committed_parts, part_folders
from dataengine.engine.storage import Storage
from dataengine.report.run_directory import RunDirectory
from dataengine.report.status import status_of

UNITS = 200
SLICES_A_FOLDER = 4


@pytest.fixture
def run_dir(cheap_run, tmp_path) -> Path:
    return cheap_run(tmp_path / "run", UNITS, "stages.tone.fail_every=11")


@pytest.fixture
def small_folders(run_dir, monkeypatch) -> None:
    """Have a folder hold the parts of four slices, and the run's parts lie accordingly."""
    for module in (parts_module, compaction):
        monkeypatch.setattr(module, "PARTS_A_FOLDER", SLICES_A_FOLDER)
    for file in list((run_dir / "parts" / "00000").glob("*.parquet")):
        folder = run_dir / "parts" / f"{int(file.name[:8]) // SLICES_A_FOLDER:05d}"
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)


def facts(run_dir: Path) -> tuple:
    storage = Storage.at(run_dir)
    footers = [astuple(footer) for footer in read_footers(storage)]
    failed, unreadable = failed_units(storage)
    return (
        list(committed_parts(storage)),
        footers,
        status_of(run_dir).counts,
        set(failed.to_pylist()),
        unreadable,
    )


def test_a_compacted_run_reads_and_finishes_as_before(run_dir, small_folders, tmp_path):
    before, told = results(run_dir), facts(run_dir)
    compact(Storage.at(run_dir), lambda: None)
    folders = part_folders(Storage.at(run_dir))
    assert [bool(folder.rows) for folder in folders] == [True, True, True, False]
    assert facts(run_dir) == told

    for file in (run_dir / "parts").rglob("*.parquet"):  # nothing is read but what was compacted
        if int(file.name[:8]) < 3 * SLICES_A_FOLDER:
            file.write_bytes(b"")
    (run_dir / "finish.json").unlink()
    assert facts(run_dir) == told
    assert RunDirectory.at(run_dir).query("SELECT count(*) FROM samples") == [(samples_of(run_dir).num_rows,)]
    for folder in ("samples", "shards"):
        shutil.rmtree(run_dir / folder)
    run(cheap_pipelines(tmp_path)(UNITS, "stages.tone.fail_every=11"), run_dir)
    assert results(run_dir) == before


def test_compacting_is_interrupted_and_done_again(run_dir, small_folders):
    storage = Storage.at(run_dir)
    compact(storage, lambda: None, most=1)
    once = contents(run_dir, "compacted")
    assert len(once) == 2
    table = next((run_dir / "compacted").glob("*[0-9a-f].parquet"))
    table.rename(table.with_suffix(".incomplete"))  # killed before the table had its name
    assert not part_folders(storage)[0].rows

    def overtaken() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        compact(storage, overtaken)
    table.with_suffix(".incomplete").unlink()
    compact(storage, lambda: None)
    assert once.items() <= contents(run_dir, "compacted").items()
    assert len(contents(run_dir, "compacted")) == 6
