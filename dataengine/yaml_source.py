"""YAML files that people write, read safely and with the line each value stands on.

Files are hostile until read: only plain data is built (YAML 1.2's core types: text, numbers, booleans,
null, lists, mappings with text keys), and size, depth and the expansion of aliases are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import yaml

from dataengine.errors import UserError

KeyPath: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 256 * 1024
"""Size of a file that a person would still write; PyYAML reads about 300 KB a second."""
MAX_VALUES = 20_000
"""Values in a file once its aliases are expanded."""
MAX_DEPTH = 32


@dataclass(frozen=True)
class Located:
    """Plain data and the place each part of it comes from."""

    data: dict[str, Any]
    places: Mapping[KeyPath, str] = field(repr=False)
    """Key path → `file:line`; a key of a mapping stands where it is written, not its value."""

    def where(self, *path: str | int) -> str:
        """Place of the value at `path`, or of the innermost value around it that is written down."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        raise KeyError(path)

    def section(self, *path: str | int) -> Located:
        """The mapping at `path`, with its places."""
        data: Any = self.data
        for key in path:
            data = data[key]
        places = {key[len(path) :]: place for key, place in self.places.items() if key[: len(path)] == path}
        return Located(data, {(): self.where(*path), **places})


def load_located(path: str | Path, *, named_at: str | None = None) -> Located:
    """Read a YAML file whose top level is a mapping.

    `named_at` (`file:line`) is where the path itself was given; it locates the error of a missing file.
    Raises UserError, with file and line, for whatever cannot be read as plain data.
    """
    source = str(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}", where=named_at) from error
    if len(content) > MAX_BYTES:
        raise UserError(
            f"larger than {MAX_BYTES // 1024} KB; this is no file for settings", where=f"{source}:1"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError("not UTF-8 text", where=f"{source}:{line}") from error
    return parse_located(text, source)


def parse_located(text: str, source: str) -> Located:
    """Like `load_located`, for text that was read already; `source` is the name used in messages."""
    places: dict[KeyPath, str] = {}
    data = _Reader(source, places).read(text)
    if data is None:
        raise UserError("empty; a mapping of keys to values is expected", where=f"{source}:1")
    if not isinstance(data, dict):
        found = "a list" if isinstance(data, list) else "a single value"
        raise UserError(f"a mapping of keys to values is expected, not {found}", where=places[()])
    return Located(data, places)


def parse_value(text: str, source: str) -> Any:
    """A single value written as YAML, as in `--set key=value`; `source` locates errors."""
    return _Reader(source, {}, numbered=False).read(text)


class _Reader:
    """Walks the nodes that PyYAML composes; PyYAML builds no value itself."""

    def __init__(self, source: str, places: dict[KeyPath, str], *, numbered: bool = True) -> None:
        self._source = source
        self._places = places
        self._numbered = numbered
        self._values = 0

    def read(self, text: str) -> Any:
        try:
            node = yaml.compose(text, Loader=_CoreLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._refuse(_one_line(error), (mark.line if mark else 0) + 1)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self._refuse(f"character U+{error.character:04X} is not allowed in YAML", line)
        except RecursionError:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", 1)
        if node is None:
            return None
        self._places[()] = self._place(_line(node))
        return self._value(node, ())

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            self._refuse(f"more than {MAX_VALUES} values once its aliases are expanded", _line(node))
        if len(path) > MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", _line(node))
        if isinstance(node, yaml.MappingNode) and node.tag == _tag("map"):
            return dict(self._entries(node, path))
        if isinstance(node, yaml.SequenceNode) and node.tag == _tag("seq"):
            return [self._item(child, (*path, i)) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node)
        tag = node.tag.replace(_tag(""), "!!")
        return self._refuse(f"tag {tag!r} is not allowed; only plain data is read", _line(node))

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:
        self._places[path] = self._place(_line(node))
        return self._value(node, path)

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _tag("str"):
                written = repr(key) if isinstance(key_node, yaml.ScalarNode) else "a list or a mapping"
                self._refuse(f"a key must be text, not {written}; put it in quotes", line)
            if key == "<<" and not key_node.style:
                self._refuse("merge keys (<<) are not read; repeat the keys", line)
            if key in seen:
                self._refuse(f"duplicate key {key!r}; it stands already in line {seen[key]}", line)
            seen[key] = line
            self._places[*path, key] = self._place(line)
            yield key, self._value(value_node, (*path, key))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            return _SCALARS[node.tag](node.value)
        except (ValueError, KeyError):
            kind = node.tag.removeprefix(_tag(""))
            return self._refuse(f"{node.value[:40]!r} is no value of type {kind}", _line(node))

    def _place(self, line: int) -> str:
        return f"{self._source}:{line}" if self._numbered else self._source

    def _refuse(self, message: str, line: int) -> NoReturn:
        raise UserError(message, where=self._place(line))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _one_line(error: yaml.MarkedYAMLError) -> str:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return " ".join(said.split())


def _tag(name: str) -> str:
    return f"tag:yaml.org,2002:{name}"


def _integer(text: str) -> int:
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    return int(text, base)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Any] = {
    _tag("str"): str,
    _tag("int"): _integer,
    _tag("float"): _float,
    _tag("bool"): lambda text: {"true": True, "false": False}[text.lower()],
    _tag("null"): lambda _: None,
}


class _CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core types, so that `no` is text and `1e-3` a number."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
):
    _CoreLoader.add_implicit_resolver(_tag(_kind), re.compile(rf"^(?:{_pattern})$"), _first)


class _CoreDumper(yaml.SafeDumper):
    """Writes plain data so that it reads back as the same values."""

    yaml_implicit_resolvers = _CoreLoader.yaml_implicit_resolvers


def dump_yaml(data: dict[str, Any]) -> str:
    """Plain data as YAML text, in the order given; `parse_located` reads the same data back."""
    return yaml.dump(
        data, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
