"""The dashboard asks for metrics that exist, by labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import promql_parser
import pytest

from dataengine.engine.metrics import DEFINITIONS

FILE = Path(__file__).parents[2] / "conf" / "cluster" / "grafana-dashboard.json"
DASHBOARD = json.loads(FILE.read_text())
PANELS = DASHBOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPORTED = {definition.exported_name: definition for definition in DEFINITIONS}


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    """The metrics that a query reads, however deep."""
    variables = {"$__rate_interval": "5m", "$run": "r"}
    for name, value in variables.items():
        query = query.replace(name, value)
    found, todo = [], [promql_parser.parse(query)]
    while todo:
        node = todo.pop()
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        for name in ("expr", "lhs", "rhs", "vector_selector", "args", "param"):
            child = getattr(node, name, None)
            todo.extend(child if isinstance(child, list) else [child] if child is not None else [])
    return found


def test_it_is_a_dashboard_of_the_classic_model():
    assert DASHBOARD["schemaVersion"] == 39
    assert {"title", "uid", "panels", "templating", "time", "timepicker", "annotations"} <= set(DASHBOARD)
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for panel in PANELS:
        assert panel["type"] in ("stat", "timeseries")
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
    used = set(re.findall(r"\$\{?(\w+)", FILE.read_text())) - {"__rate_interval"}
    assert used == variables


def test_panels_do_not_lie_on_each_other_and_fit_the_grid():
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in PANELS)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_metrics_and_labels_that_are_exported(query):
    read = selectors(query)
    assert read
    for selector in read:
        definition = EXPORTED[selector.name]
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert "run" in labels
        assert labels <= set(definition.tags)
    grouped = {label.strip() for by in re.findall(r" by \(([^)]*)\)", query) for label in by.split(",")}
    assert grouped <= set().union(*(EXPORTED[selector.name].tags for selector in read))


def test_every_metric_is_shown():
    assert {selector.name for query in QUERIES for selector in selectors(query)} == set(EXPORTED)
