from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import UserError
from stages.criteria import Criterion, FilterFile, decide, load_filter_file

SCORES = st.one_of(st.none(), st.floats(width=32))


def written(folder: Path, text: str) -> str:
    path = folder / "filters.yaml"
    path.write_text(text)
    return str(path)


def test_every_failed_criterion_is_named() -> None:
    criteria = (Criterion(score="a", above=0.5), Criterion(score="b", below=0.0))
    decision = decide(criteria, {"a": np.array([0.6, 0.4]), "b": np.array([-1.0, 1.0])}, 2)
    assert decision.passed.tolist() == [True, False]
    assert decision.failed_names().to_pylist() == [[], ["a", "b"]]


def test_the_threshold_itself_does_not_pass() -> None:
    stored = pa.array([0.35, 0.3500001], pa.float32())
    assert decide((Criterion(score="a", above=0.35),), {"a": stored}, 2).passed.tolist() == [False, True]
    assert decide((Criterion(score="a", above=0.35),), {"a": stored.to_pylist()}, 2).passed.tolist() == [
        False,
        True,
    ]


def test_a_score_that_was_not_computed_fails() -> None:
    column = pa.array([None, float("nan")], pa.float32())
    for criterion in (Criterion(score="a", above=-1e9), Criterion(score="a", below=1e9)):
        assert not decide((criterion,), {"a": column}, 2).passed.any()


def test_a_condition_says_where_a_criterion_applies() -> None:
    columns = {"a": np.zeros(3, np.float32), "speech": pa.array([True, False, None])}
    where = decide((Criterion(score="a", above=1, when="speech"),), columns, 3)
    assert where.passed.tolist() == [False, True, False]
    elsewhere = decide((Criterion(score="a", above=1, when="not speech"),), columns, 3)
    assert elsewhere.passed.tolist() == [True, False, False]


@given(
    st.lists(st.tuples(SCORES, SCORES, st.booleans()), max_size=30), st.floats(-10, 10), st.floats(-10, 10)
)
def test_the_verdict_is_the_conjunction_of_the_criteria(
    rows: list[tuple[float | None, float | None, bool]], above: float, below: float
) -> None:
    table = pa.table(
        {
            "a": pa.array([row[0] for row in rows], pa.float32()),
            "b": pa.array([row[1] for row in rows], pa.float32()),
            "speech": pa.array([row[2] for row in rows], pa.bool_()),
        }
    )
    criteria = (
        Criterion(score="a", above=above),
        Criterion(score="b", below=below, when="speech", name="quiet speech"),
    )
    decision = decide(criteria, {name: table[name] for name in table.column_names}, len(rows))
    for (a, b, speech), passed, failed in zip(
        rows, decision.passed, decision.failed_names().to_pylist(), strict=True
    ):
        expected = []
        if a is None or not np.float32(a) > np.float32(above):
            expected.append("a")
        if speech and (b is None or not np.float32(b) < np.float32(below)):
            expected.append("quiet speech")
        assert failed == expected
        assert passed == (not expected)


def test_a_filter_file_is_read_whole(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "criteria:\n  - {score: a, above: 0.5}\n  - {score: b, below: 1, when: not speech, name: loud}\n"
        "retain:\n  - {score: a, above: 0}\naudit_share: 0.1\ncalibration: {scenes: 300}\n",
    )
    read = load_filter_file(path)
    assert read.columns == ("a", "b", "speech")
    assert [each.name for each in read.criteria] == ["a", "loud"]
    assert "calibration" not in read.identity()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("criteria:\n  - {score: a, above: 0.5, blow: 1}\n", 2, "blow"),
        ("criteria:\n  - {score: a, above: 0.5, below: 1}\n", 2, "one of"),
        ("criteria:\n  - {score: a}\n", 2, "one of"),
        ("criteria:\n  - {above: 1}\n", 2, "score"),
        ("criteria:\n  - {score: a, above: high}\n", 2, "above"),
        ("criteria:\n  - {score: a, above: .nan}\n", 2, "above"),
        ("criteria: []\n", 1, "criteria"),
        ("retain: []\n", 1, "criteria"),
        ("criteria:\n  - {score: a, above: 1}\n  - {score: a, below: 2}\n", 3, "name:"),
        ("criteria:\n  - {score: a, above: 1}\naudit_share: 2\n", 3, "audit_share"),
        ("criteria:\n  - {score: text, above: 1}\n", 2, "no number"),
        ("criteria:\n  - {score: a, above: 1, when: text}\n", 2, "true or false"),
        ("criteria: !!python/object:os.system [ls]\n", 1, "tag"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=said) as caught:
        load_filter_file(path, {"a": pa.float32(), "text": pa.string()})
    assert caught.value.where == f"{path}:{line}"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["reference", "reference_visual", "embedded"])
def test_the_filter_files_of_conf_can_be_read(name: str) -> None:
    assert isinstance(load_filter_file(f"conf/filters/{name}.yaml"), FilterFile)


def test_the_reference_table_is_that_of_the_slides() -> None:
    table = {each.score: each for each in load_filter_file("conf/filters/reference_visual.yaml").criteria}
    assert table["text_audio_target"].above == 0.35
    assert table["text_audio_residual"].below == 0.0
    assert table["scene_complexity"].below == 2.5
    assert table["silence_ratio"].below == 0.95
    assert (table["mask_coverage"].above, table["audio_visual"].above) == (0.02, 0.2)
    assert table["speech_target"].when == "speech_prompt"
