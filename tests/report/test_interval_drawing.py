"""Figures with intervals as a picture."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import pytest

from dataengine.report.interval_drawing import Dot, DotRow, draw_intervals

HOSTILE = "<script>alert(1)</script>"


def drawn(*rows: DotRow) -> Element:
    return fromstring(draw_intervals(rows, "dB"))


def test_a_dot_lies_in_its_interval_and_values_from_left_to_right() -> None:
    svg = drawn(
        DotRow("speech", [Dot("one", "first", 2.0, (1.0, 4.0)), Dot("mixture", "mixture", 0.0, None)]),
        DotRow("music", [Dot("one", "first", 8.0, (8.0, 8.0))]),
    )
    groups = svg.findall("g")
    assert [group.get("class") for group in groups] == ["first", "mixture", "first"]
    low, high = (float(groups[0].find("line").get(end)) for end in ("x1", "x2"))
    (first, last) = (float(groups[place].find("circle").get("cx")) for place in (0, 2))
    assert low < first < high < last
    assert first - low == pytest.approx((high - low) / 3, abs=0.2)
    assert groups[0].find("title").text == "one: 2.00 (1.00 to 4.00)"
    (zero,) = (line for line in svg.findall("line") if line.get("class") == "zero")
    assert float(groups[1].find("polygon").get("points").split(",")[0]) == pytest.approx(
        float(zero.get("x1"))
    )


def test_two_that_are_put_to_the_test_do_not_lie_on_each_other() -> None:
    svg = drawn(DotRow("all", [Dot(name, name, 1.0, (0.0, 2.0)) for name in ("first", "second")]))
    one, other = (float(group.find("circle").get("cy")) for group in svg.findall("g"))
    assert other - one > 8


def test_one_value_is_drawn_and_names_stay_text() -> None:
    svg = drawn(DotRow(HOSTILE, [Dot(HOSTILE, "first", 0.0, (0.0, 0.0))]))
    assert svg.find("g/title").text == f"{HOSTILE}: 0.000 (0.000 to 0.000)"
    assert [text.text for text in svg.findall("text") if text.get("class") == "row"] == [HOSTILE]
    assert svg.find(".//script") is None
