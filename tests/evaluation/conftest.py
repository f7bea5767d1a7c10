"""A run on scenes of split calibrate that keeps the audio of every candidate."""

from pathlib import Path

import pytest

from dataengine import Pipeline, run
from dataengine.report.run_directory import RunDirectory
from manifests.indexing import IndexOptions, index
from tests.conftest import MadeOnce

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def labelled_run(demo_directory: Path, made_once: MadeOnce) -> RunDirectory:
    def make(folder: Path) -> None:
        manifest = folder / "calibrate.parquet"
        index([str(demo_directory / "calibrate")], str(manifest), IndexOptions())
        overrides = [f"input={manifest}", f"stages.filter.criteria={ROOT / 'conf/filters/retain_all.yaml'}"]
        run(Pipeline.load(ROOT / "stages" / "pseudolabel.yaml", overrides), folder / "run")

    return RunDirectory.at(made_once("labelled", make) / "run")
