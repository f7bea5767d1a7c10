"""A cascade keeps and retains what `scores: all` does, and computes less."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dataengine import Pipeline, run
from dataengine.errors import UserError
from manifests.indexing import IndexOptions, index

pytestmark = pytest.mark.usefixtures("ray_cluster")


def samples_of(run_dir: Path) -> pd.DataFrame:
    tables = [pq.read_table(path).to_pandas() for path in sorted((run_dir / "samples").glob("*.parquet"))]
    return pd.concat(tables).set_index("sample_id")


def rows_of_stages(run_dir: Path) -> dict[str, int]:
    work = pq.read_table(run_dir / "log" / "work.parquet").to_pandas()
    return work.groupby("stage")["rows_in"].sum().to_dict()


def contents(run_dir: Path) -> set[bytes]:
    """Audio of the packed samples, whatever their JSONs say of scores and pipeline."""
    found = set()
    for shard in (run_dir / "shards").glob("*.tar"):
        with tarfile.open(shard) as tar:
            found |= {tar.extractfile(each).read() for each in tar if each.name.endswith(".flac")}
    return found


def assert_same_but_cheaper(cascade: Path, whole: Path) -> pd.DataFrame:
    """Both hold the same candidates with the same fate; returns those that were given up."""
    rows, others = samples_of(cascade), samples_of(whole)
    for column in ("kept", "retained", "status"):
        assert rows[column].equals(others[column])
    assert contents(cascade) == contents(whole)
    assert others["criteria_not_evaluated"].isna().all()
    given_up = rows[rows["criteria_not_evaluated"].notna()]
    assert not (given_up["kept"] | given_up["retained"]).any()
    for sample, row in given_up.iterrows():
        failed, skipped = set(row["failed_criteria"]), set(row["criteria_not_evaluated"])
        assert failed
        assert failed == set(others.loc[sample, "failed_criteria"]) - skipped
    through = rows[rows["criteria_not_evaluated"].isna() & (rows["kind"] == "text")]
    failed = [list(each) for each in through["failed_criteria"]]
    assert failed == [list(each) for each in others.loc[through.index, "failed_criteria"]]
    return given_up


@pytest.fixture
def cheap(cheap_pipeline, tmp_path: Path):
    """A pipeline of cheap stages and a filter, on 60 units."""
    filters = tmp_path / "filters.yaml"
    filters.write_text(
        "criteria: [{score: score, above: 0.5}, {score: letters, above: 0}]\n"
        "retain: [{score: score, above: 0.3}]\naudit_share: 0.1\n"
    )
    stages = f"stages=[tone, propose, halve, letters, draw, {{filter: {{criteria: {filters}}}}}]"
    return lambda *overrides: cheap_pipeline(60, stages, *overrides)


def test_what_rejects_comes_before_what_does_not(cheap, tmp_path):
    run(cheap(), tmp_path / "all")
    measured = ("scores=cascade", f"cascade.measured={tmp_path / 'all'}")
    pipeline = cheap(*measured)
    assert [stage.name() for stage in pipeline.stages][3:] == ["draw", "letters", "filter"]
    assert list(pipeline.screens) == ["draw"]
    assert cheap(*measured).digest == pipeline.digest != cheap("scores=cascade").digest

    (tmp_path / "resolved.yaml").write_text(pipeline.resolved_yaml())
    resolved = Pipeline.load(tmp_path / "resolved.yaml", [], pipeline.stage_sources)
    assert resolved.digest == pipeline.digest

    run(pipeline, tmp_path / "cascade")
    given_up = assert_same_but_cheaper(tmp_path / "cascade", tmp_path / "all")
    assert set(given_up["last_stage"]) == {"draw"}
    assert rows_of_stages(tmp_path / "cascade")["letters"] == rows_of_stages(tmp_path / "all")[
        "letters"
    ] - len(given_up)

    with pytest.raises(UserError, match="itself a cascade"):
        cheap("scores=cascade", f"cascade.measured={tmp_path / 'cascade'}")
    with pytest.raises(UserError, match="a cascade leaves some out"):
        run(cheap(), tmp_path / "fork", fork=tmp_path / "cascade")


@pytest.mark.slow
def test_a_cascade_on_real_recordings(demo_directory: Path, tmp_path: Path):
    scenes = sorted((demo_directory / "pool").glob("*.flac"))[:8]
    index([str(scene) for scene in scenes], str(tmp_path / "scenes.parquet"), IndexOptions(workers=1))
    settings = [f"input={tmp_path / 'scenes.parquet'}", "stages.filter.criteria=conf/filters/embedded.yaml"]
    run(Pipeline.load("stages/pseudolabel.yaml", settings), tmp_path / "all")
    measured = [*settings, "scores=cascade", f"cascade.measured={tmp_path / 'all'}"]
    run(Pipeline.load("stages/pseudolabel.yaml", measured), tmp_path / "cascade")
    assert len(assert_same_but_cheaper(tmp_path / "cascade", tmp_path / "all")) > 0
    assert sum(rows_of_stages(tmp_path / "cascade").values()) < sum(rows_of_stages(tmp_path / "all").values())
