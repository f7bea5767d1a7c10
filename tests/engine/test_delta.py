"""Delta labelling: only units that could flip are labelled again; the others are carried over as they are."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from test_run import samples_of

from dataengine import run
from dataengine.errors import UserError

UNITS = 160
SHIFT = 0.05
"""What another model adds to every score; scores are even on 0..1, so their interquartile range is 0.5."""


@pytest.fixture(scope="module")
def filters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("delta") / "filters.yaml"
    file.write_text("criteria: [{score: score, above: 0.5}]\nretain: [{score: score, above: 0.25}]\n")
    return file


def settings(shift: float, filters: Path) -> tuple[str, str]:
    stages = f"tone, propose, halve, {{draw: {{shift: {shift}}}}}, {{filter: {{criteria: {filters}}}}}"
    return f"stages=[{stages}]", "stages.tone.fail_every=11"


@pytest.fixture
def pipeline(cheap_pipeline, filters: Path):
    def load(shift: float, *overrides: str, filters: Path = filters):
        return cheap_pipeline(UNITS, *settings(shift, filters), *overrides, unreadable_every=40)

    return load


@pytest.fixture(autouse=True)
def old(cheap_run, filters: Path, tmp_path: Path) -> None:
    """The earlier run, at `tmp_path / "old"`."""
    cheap_run(tmp_path / "old", UNITS, *settings(0.0, filters), unreadable_every=40)


def table(run_dir: Path) -> pd.DataFrame:
    return samples_of(run_dir).to_pandas().set_index("sample_id")


def test_no_flip_is_missed_where_no_score_moves_further_than_the_margin(pipeline, tmp_path):
    run(pipeline(SHIFT), tmp_path / "full")
    by_hand = "engine.groups=[[tone, propose], [halve], [draw, filter]]"
    summary = run(pipeline(SHIFT, by_hand), tmp_path / "delta", delta=tmp_path / "old", delta_margin=0.25)
    old, full, delta = (table(tmp_path / name) for name in ("old", "full", "delta"))

    assert delta["kept"].equals(full["kept"])
    assert (full["kept"] != old["kept"]).any()
    again = delta["pipeline_digest"] == full["pipeline_digest"]
    assert delta.groupby("unit_id")["pipeline_digest"].nunique().max() == 1
    for column in ("score", "status", "kept", "failed_criteria"):
        assert delta.loc[again, column].astype(str).equals(full.loc[again, column].astype(str))
        assert delta.loc[~again, column].astype(str).equals(old.loc[~again, column].astype(str))
    in_doubt = (old["score"] - 0.5).abs() <= 0.25 * 0.5 + 0.02
    assert set(delta.loc[again, "unit_id"]) <= set(old.loc[in_doubt, "unit_id"])
    assert summary.counts.reused == delta.loc[~again, "unit_id"].nunique() > 80

    work = pq.read_table(tmp_path / "delta" / "log" / "work.parquet").to_pandas()
    assert work.loc[work["stage"] == "halve", "rows_in"].sum() == again.sum()


def test_audio_and_provenance_of_what_is_carried_over_come_with_it(pipeline, tmp_path):
    run(pipeline(SHIFT), tmp_path / "delta", delta=tmp_path / "old", delta_margin=0.1)
    old, delta = table(tmp_path / "old"), table(tmp_path / "delta")
    carried = delta[delta["pipeline_digest"] == old["pipeline_digest"].iloc[0]]
    assert carried["kept"].any()
    for sample, row in carried[carried["shard"].notna()].iterrows():
        contents = []
        for folder, place in (("delta", row), ("old", old.loc[sample])):
            with tarfile.open(tmp_path / folder / place["shard"]) as tar:
                suffixes = ("mix.flac", "target.flac", "residual.flac")
                contents.append([tar.extractfile(f"{sample}.{suffix}").read() for suffix in suffixes])
                if place["shard"].startswith("shards/"):
                    facts = json.loads(tar.extractfile(f"{sample}.json").read())
                    assert facts["provenance"]["pipeline_digest"] == row["pipeline_digest"]
        assert contents[0] == contents[1]


def test_a_narrow_margin_misses_flips_and_labels_less(pipeline, tmp_path):
    run(pipeline(SHIFT), tmp_path / "delta", delta=tmp_path / "old", delta_margin=0.0)
    facts = json.loads((tmp_path / "delta" / "run.json").read_text())
    assert facts["delta_from"]["reach"] == {"score": 0.0}
    assert table(tmp_path / "delta")["kept"].equals(table(tmp_path / "old")["kept"])
    run(pipeline(SHIFT), tmp_path / "delta")  # the directory remembers what it started from
    with pytest.raises(UserError, match="not started as a delta of"):
        run(pipeline(SHIFT), tmp_path / "delta", delta=tmp_path / "elsewhere")


def test_what_is_no_case_for_a_delta_is_refused(pipeline, tmp_path):
    with pytest.raises(UserError, match="no criterion depends on what has changed"):
        run(pipeline(0.0), tmp_path / "new", delta=tmp_path / "old")
    with pytest.raises(UserError, match="seed has changed"):
        run(pipeline(0.0, "seed=1"), tmp_path / "new", delta=tmp_path / "old")
    with pytest.raises(UserError, match="give --fork or --delta"):
        run(pipeline(SHIFT), tmp_path / "new", delta=tmp_path / "old", fork=tmp_path / "old")
    (tmp_path / "filters.yaml").write_text("criteria: [{score: score, above: 0.6}]\n")
    other = pipeline(SHIFT, filters=tmp_path / "filters.yaml")
    with pytest.raises(UserError, match=r"stage filter has changed.*one step at a time"):
        run(other, tmp_path / "new", delta=tmp_path / "old")
