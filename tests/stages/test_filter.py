from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from binding import bound

from dataengine.engine.batch import Batch
from dataengine.errors import UserError
from stages.filter import Filter

SCHEMA = {"sample_id": pa.string(), "score": pa.float32()}


def filter_by(folder: Path, text: str, *, seed: int = 0) -> Filter:
    path = folder / "filters.yaml"
    path.write_text(text)
    return bound(Filter(criteria=str(path)), schema=SCHEMA, seed=seed)


def candidates(*scores: float) -> Batch:
    ids = [f"{i:032x}" for i in range(len(scores))]
    return Batch({"sample_id": ids, "score": np.array(scores, np.float32)})


def test_candidates_that_pass_are_kept_and_the_looser_list_retains(tmp_path: Path) -> None:
    stage = filter_by(
        tmp_path, "criteria: [{score: score, above: 0.5}]\nretain: [{score: score, above: 0.2}]\n"
    )
    batch = stage.process(candidates(0.9, 0.3, 0.1, np.nan))
    assert batch["kept"].tolist() == [True, False, False, False]
    assert batch["retained"].tolist() == [True, True, False, False]
    assert batch["failed_criteria"] == [[], ["score"], ["score"], ["score"]]


def test_an_audit_draws_rejected_candidates_by_their_ids(tmp_path: Path) -> None:
    text = "criteria: [{score: score, above: 0.5}]\naudit_share: 0.25\n"
    stage = filter_by(tmp_path, text)
    rejected = candidates(*[0.0] * 2000)
    drawn = stage.process(rejected)["retained"]
    assert drawn.mean() == pytest.approx(0.25, abs=0.04)
    one_by_one = [stage.process(rejected.slice(i, i + 1))["retained"][0] for i in range(8)]
    assert one_by_one == drawn[:8].tolist()
    assert (filter_by(tmp_path, text, seed=1).process(rejected)["retained"] != drawn).any()
    assert not stage.process(candidates(0.9, 0.9))["retained"].any()


def test_the_filter_file_decides_what_is_read_and_who_the_stage_is(tmp_path: Path) -> None:
    strict = filter_by(tmp_path, "criteria: [{score: score, above: 0.5}]\n")
    assert "score" in strict.columns_read()
    commented = filter_by(tmp_path, "# the same\ncriteria: [{score: score, above: 0.5}]\n")
    assert commented.identity() == strict.identity()
    assert filter_by(tmp_path, "criteria: [{score: score, above: 0.6}]\n").identity() != strict.identity()


def test_the_profile_names_the_filter_file_where_the_stage_does_not() -> None:
    by_profile = bound(Filter(), filters="conf/filters/reference.yaml")
    assert "text_audio_target" in by_profile.columns_read()
    with pytest.raises(UserError, match="no criteria"):
        bound(Filter())
