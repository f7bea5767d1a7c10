from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import UserError
from dataengine.pipeline_file import lay_overrides, read_pipeline_file


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write(
        tmp_path / "base.yaml",
        """\
        input: pool.parquet
        stages:
          - decode
          - caption: {max_prompts: 4, sources: [tags]}
          - separate
        engine:
          slice_units: 16
          groups: [[decode], [caption, separate]]
        """,
    )


def test_stages_are_named_in_order_with_their_places(base: Path) -> None:
    read = read_pipeline_file(base)
    assert list(read.data["stages"].items()) == [
        ("decode", {}),
        ("caption", {"max_prompts": 4, "sources": ["tags"]}),
        ("separate", {}),
    ]
    assert read.where("stages", "caption", "max_prompts") == f"{base}:4"
    assert read.where("stages", "separate") == f"{base}:5"


def test_a_file_changes_what_it_names_of_the_file_it_extends(base: Path) -> None:
    top = write(
        base.parent / "below" / "top.yaml",
        """\
        extends: ../base.yaml
        seed: 3
        stages:
          caption: {max_prompts: 2}
        engine: {slice_units: 8}
        """,
    )
    read = read_pipeline_file(top)
    assert list(read.data["stages"]) == ["decode", "caption", "separate"]
    assert read.data["stages"]["caption"] == {"max_prompts": 2, "sources": ["tags"]}
    assert read.data["engine"] == {"slice_units": 8, "groups": [["decode"], ["caption", "separate"]]}
    assert read.data["input"] == "pool.parquet"
    assert "extends" not in read.data
    assert read.where("stages", "caption", "max_prompts") == f"{top}:4"
    assert read.where("stages", "caption", "sources") == f"{top.parent}/../base.yaml:4"
    assert read.where("engine", "slice_units") == f"{top}:5"


def test_a_list_of_stages_replaces_the_list_below(base: Path) -> None:
    top = write(base.parent / "top.yaml", "extends: base.yaml\nstages: [decode, caption]\n")
    read = read_pipeline_file(top)
    assert read.data["stages"] == {"decode": {}, "caption": {}}
    assert read.where("stages", "caption", "max_prompts") == f"{top}:2"


def test_overrides_are_one_more_file_on_top(base: Path) -> None:
    read = read_pipeline_file(
        base, ["stages.caption.max_prompts=2", "engine.groups=null", "input=a=b.parquet"]
    )
    assert read.data["stages"]["caption"] == {"max_prompts": 2, "sources": ["tags"]}
    assert read.data["engine"] == {"slice_units": 16, "groups": None}
    assert read.data["input"] == "a=b.parquet"
    assert read.where("stages", "caption", "max_prompts") == "--set stages.caption.max_prompts=2"
    assert read.where("stages", "caption", "sources") == f"{base}:4"


def test_the_last_override_wins(base: Path) -> None:
    assert read_pipeline_file(base, ["seed=1", "seed=2"]).data["seed"] == 2


@given(
    st.dictionaries(st.sampled_from(["seed", "engine.slice_units", "pack.shuffle_seed"]), st.integers(0, 99))
)
def test_overrides_of_different_keys_commute(values: dict[str, int]) -> None:
    overrides = [f"{key}={value}" for key, value in values.items()]
    empty = read_pipeline_file(Path(__file__).parent / "broken_pipelines" / "pieces" / "base.yaml")
    assert lay_overrides(empty, overrides).data == lay_overrides(empty, overrides[::-1]).data


def test_a_mapping_of_stages_needs_a_file_below(tmp_path: Path) -> None:
    alone = write(tmp_path / "alone.yaml", "stages: {decode: {}}\n")
    with pytest.raises(UserError, match=r"alone.yaml:1: stages must be a list"):
        read_pipeline_file(alone)


@pytest.mark.parametrize("override", ["seed", "=1", "a..b=1", ""])
def test_an_override_without_key_or_value_is_refused(override: str, base: Path) -> None:
    with pytest.raises(UserError, match="write key=value"):
        read_pipeline_file(base, [override])


def test_a_file_that_extends_itself_through_a_link_is_a_circle(tmp_path: Path) -> None:
    file = write(tmp_path / "file.yaml", "extends: link.yaml\n")
    (tmp_path / "link.yaml").symlink_to(file)
    with pytest.raises(UserError, match=r"file.yaml:1: files extend each other in a circle"):
        read_pipeline_file(file)
