"""Thresholds on tables whose best thresholds are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dataengine.errors import UserError
from dataengine.evaluation.calibration import Calibration, Goal, calibrate
from dataengine.evaluation.filter_writing import provenance, write_filter_file
from dataengine.evaluation.labelled import LabelledSamples
from stages.criteria import FilterFile, decide, load_filter_file

ROWS = 1500
TABLES = [Path("truth/calibrate.parquet")]
MODELS = {"separator": {"adapter": "some", "version": "1", "digest": "d" * 32, "licence": "MIT"}}
TEMPLATE = FilterFile.model_validate(
    {
        "criteria": [
            {"score": "clean", "above": 0.0},
            {"score": "leak", "below": 1.0, "when": "speech"},
            {"score": "noise", "above": 0.0},
            {"score": "guard", "below": 0.95},
        ],
        "audit_share": 0.02,
    }
)
SCORES = ("clean", "leak", "noise")


def table(signal: float = 1.0, seed: int = 0) -> LabelledSamples:
    """Speech is right where it is clean and leaks little, the rest where it is very clean; `signal` says how surely."""
    random = np.random.default_rng(seed)
    samples = pd.DataFrame(
        {name: random.random(ROWS).astype(np.float32) for name in ("clean", "leak", "noise", "guard")}
    )
    samples["speech"] = random.random(ROWS) < 0.5
    samples["sample_id"] = [f"{row:032x}" for row in range(ROWS)]
    clean, leak = samples["clean"].to_numpy(), samples["leak"].to_numpy()
    best = np.where(samples["speech"], (clean > 0.4) & (leak < 0.7), clean > 0.8)
    right = np.where(random.random(ROWS) < signal * 0.97, best, random.random(ROWS) < best.mean())
    return LabelledSamples(samples, right, tuple((f"clip {row // 4}",) for row in range(ROWS)))


def columns_of(labelled: LabelledSamples) -> dict[str, np.ndarray]:
    return {str(name): labelled.samples[name].to_numpy() for name in labelled.samples}


@pytest.fixture(scope="module")
def found() -> Calibration:
    """By the labels of `table()`."""
    return calibrate(table(), TEMPLATE, SCORES, Goal(0.9, 0.95))


def test_the_best_thresholds_are_found_for_each_condition(found: Calibration) -> None:
    assert found.reached
    speech, rest = ({c.score: c.threshold for c in group.criteria} for group in found.groups)
    assert speech == pytest.approx({"clean": 0.4, "leak": 0.7}, abs=0.02)
    assert rest == pytest.approx({"clean": 0.8}, abs=0.02)
    assert all("noise" in group.unused for group in found.groups)
    assert found.overall.bound >= 0.9
    assert found.overall.kept_of_right > 0.85  # the guard takes 5 %


def test_what_is_claimed_holds_for_other_rows() -> None:
    found = calibrate(table(signal=0.9), TEMPLATE, SCORES, Goal(0.85, 0.95))
    assert found.reached
    fresh = table(signal=0.9, seed=1)
    filters = found.filter_file(0.0, {})
    kept = decide(filters.criteria, columns_of(fresh), ROWS).passed
    assert fresh.right[kept].mean() >= 0.85


def test_without_a_signal_no_precision_is_claimed() -> None:
    """A third of the rows is right whatever the scores: searching long enough finds pure corners, in sample."""
    random = np.random.default_rng(0)
    for seed in range(3):
        noise = table(seed=seed)
        noise = LabelledSamples(noise.samples, random.random(ROWS) < 1 / 3, noise.clips)
        found = calibrate(noise, TEMPLATE, SCORES, Goal(0.6, 0.95))
        assert not found.reached
        assert found.overall.bound < 0.5


def test_a_group_that_cannot_be_told_is_closed_where_it_would_spoil_the_rest() -> None:
    labelled = table()
    speech = labelled.samples["speech"].to_numpy()
    right = np.where(speech, labelled.right, np.arange(ROWS) % 20 == 0)
    found = calibrate(
        LabelledSamples(labelled.samples, right, labelled.clips), TEMPLATE, SCORES, Goal(0.93, 0.95)
    )
    assert found.reached
    assert [group.chosen is None for group in found.groups] == [False, True]
    kept = decide(found.filter_file(0.0, {}).criteria, columns_of(labelled), ROWS).passed
    assert kept[speech].any()
    assert not kept[~speech].any()


def test_rows_that_repeat_a_clip_prove_less() -> None:
    """The same table with every row ten times under the same clip must not come out surer."""
    once = table().where(np.arange(ROWS) < 150)
    again = LabelledSamples(
        pd.concat([once.samples] * 10, ignore_index=True), np.tile(once.right, 10), once.clips * 10
    )
    bounds = [
        max(point.bound for point in calibrate(rows, TEMPLATE, SCORES, Goal(0.99, 0.95)).groups[0].curve)
        for rows in (once, again)
    ]
    assert bounds[1] <= bounds[0] + 0.05


def test_the_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    labelled = table()
    found = calibrate(labelled, TEMPLATE, SCORES, Goal(0.999, 0.95))
    written = found.filter_file(TEMPLATE.audit_share, provenance(found, labelled, TABLES, "p" * 32, MODELS))
    path = tmp_path / "filters.yaml"
    write_filter_file(path, written)
    assert load_filter_file(str(path)) == written
    assert "the bound that was asked, 0.999, is not reached" in path.read_text()
    assert load_filter_file(str(path)).calibration["labels"]["digest"] == labelled.digest


def test_the_same_labels_give_the_same_file(found: Calibration, tmp_path: Path) -> None:
    texts = []
    again = calibrate(table(), TEMPLATE, SCORES, Goal(0.9, 0.95))
    for name, each in (("one.yaml", found), ("other.yaml", again)):
        filters = each.filter_file(0.0, provenance(each, table(), TABLES, "p" * 32, MODELS))
        write_filter_file(tmp_path / name, filters)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]


def test_a_score_without_a_direction_is_refused() -> None:
    with pytest.raises(UserError, match="no criterion says whether 'loudness' must be above or below"):
        calibrate(table(), TEMPLATE, ("clean", "loudness"), Goal())


def test_nothing_right_is_nothing_to_keep() -> None:
    labelled = table()
    with pytest.raises(UserError, match="no candidate is right"):
        calibrate(
            LabelledSamples(labelled.samples, np.zeros(ROWS, bool), labelled.clips), TEMPLATE, SCORES, Goal()
        )
