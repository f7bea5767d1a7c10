from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import UserError
from dataengine.yaml_source import MAX_BYTES, dump_yaml, load_located, parse_located, parse_value

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
    | st.sampled_from(
        ["no", "yes", "1e-3", "0o17", "0x1F", "~", "null", "1:30", "2001-01-01", "<<", ".5", ""]
    )
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefg_", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)
FILES = st.dictionaries(st.text("abcdefg_", min_size=1), DATA, min_size=1, max_size=5)


@given(FILES)
def test_what_is_dumped_reads_back_as_the_same_values(data: dict[str, Any]) -> None:
    assert parse_located(dump_yaml(data), "file.yaml").data == data


@st.composite
def numbered_keys(draw: st.DrawFn) -> dict[str, Any]:
    """Nested data in which no key occurs twice."""
    count = 0

    def build(depth: int) -> Any:
        nonlocal count
        kind = draw(st.sampled_from(["value", "list", "mapping"] if depth < 4 else ["value"]))
        if kind == "value":
            return draw(st.sampled_from([1, "some text", None, "several\nlines\n", 2.5]))
        if kind == "list":
            return [build(depth + 1) for _ in range(draw(st.integers(1, 3)))]
        names = [f"key{count + i}" for i in range(draw(st.integers(1, 3)))]
        count += len(names)
        return {name: build(depth + 1) for name in names}

    return {"top": build(0), "last": 1}


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, inner in items for each in paths_of(inner, (*path, key)))]


@given(numbered_keys(), st.integers(0, 3), st.booleans())
def test_every_key_is_placed_on_the_line_it_is_written_on(
    data: dict[str, Any], comments: int, flow: bool
) -> None:
    text = "# a comment\n" * comments + yaml.safe_dump(data, default_flow_style=None if flow else False)
    located = parse_located(text, "file.yaml")
    lines = text.splitlines()
    for path in paths_of(located.data):
        file, _, line = located.where(*path).rpartition(":")
        assert file == "file.yaml"
        if path and isinstance(path[-1], str):
            assert f"{path[-1]}:" in lines[int(line) - 1]


def refusal_of(text: str) -> UserError | None:
    try:
        parse_located(text, "file.yaml")
    except UserError as error:
        return error
    return None


@given(st.text(max_size=100) | st.text("ab1.:-[]{}&*!#|>'\"\n\t ,?%@<=~\r\x85\u2028\ufeff\0", max_size=40))
def test_any_text_is_read_or_refused_with_one_of_its_lines(text: str) -> None:
    refusal = refusal_of(text)
    if refusal is not None:
        file, _, line = str(refusal.where).rpartition(":")
        assert file == "file.yaml"
        assert 1 <= int(line) <= len(text.splitlines()) + 1
        assert len(str(refusal).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [echo]\n", 2, "!!python/object/apply:os.system"),
        ("a: 1\nb: !mine x\n", 2, "'!mine' is not allowed"),
        ("a: !!binary aGk=\n", 1, "'!!binary'"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "duplicate key 'c'; it stands already in line 3"),
        ("a: 1\n1: 2\n", 2, "a key must be text, not '1'"),
        ("a: 1\n<<: {b: 1}\n", 2, "merge keys"),
        ("a: &a [*a]\n", 1, "nested deeper"),
        ("[" * 5000, 1, "nested deeper"),
        ("a: 1\n---\nb: 1\n", 2, "single document"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "flow sequence"),
        ("a: 1\n\tb: 1\n", 2, "cannot start any token"),
        ("a: *b\n", 1, "undefined alias"),
        ("a: 1\nb: \x07\n", 2, "U+0007"),
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("# list\n- a\n", 2, "not a list"),
        ("a: !!int many\n", 1, "no value of type int"),
    ],
)
def test_what_is_no_plain_data_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(UserError, match=f"^file.yaml:{line}: ") as refused:
        parse_located(text, "file.yaml")
    assert message in str(refused.value)


def test_aliases_that_expand_to_billions_are_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    with pytest.raises(UserError, match="once its aliases are expanded"):
        parse_located(bomb, "file.yaml")


def test_an_alias_reads_as_what_it_stands_for() -> None:
    assert parse_located("a: &x {b: 1}\nc: *x\n", "file.yaml").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_types_are_those_of_yaml_1_2() -> None:
    values = {
        "no": "no",
        "on": "on",
        "1e-3": 0.001,
        "12:30": "12:30",
        "2001-01-01": "2001-01-01",
        "true": True,
    }
    assert {text: parse_value(text, "--set") for text in values} == values
    assert math.isinf(parse_value("-.inf", "--set"))
    assert parse_value("", "--set") is None
    assert parse_value("[1, {a: 0x1F}]", "--set") == [1, {"a": 31}]


def test_a_file_that_is_missing_names_the_place_that_asked_for_it() -> None:
    with pytest.raises(UserError, match=r"^top.yaml:3: cannot read gone.yaml: No such file"):
        load_located("gone.yaml", named_at="top.yaml:3")


def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(UserError, match=r"latin.yaml:2: not UTF-8"):
        load_located(latin)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"a: 1\n" + b"#" * MAX_BYTES)
    with pytest.raises(UserError, match="larger than 256 KB"):
        load_located(large)


def test_a_section_keeps_the_places_of_its_values() -> None:
    section = parse_located("a:\n  b:\n    c: 1\n", "file.yaml").section("a", "b")
    assert section.data == {"c": 1}
    assert section.where("c") == "file.yaml:3"
    assert section.where("absent") == "file.yaml:2"
