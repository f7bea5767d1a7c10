"""Histograms count every candidate once, and their axes can be read."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.report.histogram import BINS, even_edges, histograms_of, round_ticks
from dataengine.report.histogram_drawing import HEIGHT, WIDTH, draw

FINITE = st.floats(-1e6, 1e6)


@pytest.fixture(scope="module")
def histograms(finished):
    return {(each.score, each.when): each for each in histograms_of(finished)}


def test_scores_come_in_the_filters_order_and_then_the_others(finished, histograms):
    asked = [
        ("target_level_db", None),
        ("crossings", "not speech_prompt"),
        ("silence_ratio", "speech_prompt"),
        ("residual_level_db", None),
    ]
    assert list(histograms)[:4] == asked
    assert {score for score, _ in list(histograms)[4:]} == {"scene_complexity", "spikiness"}


def test_only_candidates_that_a_criterion_asks_are_counted(histograms, rows):
    done = rows[rows["status"] == "done"]
    asked = done[~done["speech_prompt"].astype(bool)]
    histogram = histograms["crossings", "not speech_prompt"]
    assert sum(histogram.kept) == asked["kept"].sum()
    assert sum(histogram.rejected) == (~asked["kept"] & asked["crossings"].notna()).sum()
    assert histogram.missing == asked["crossings"].isna().sum()


def test_bars_hold_what_lies_between_their_edges(histograms, rows):
    done = rows[rows["status"] == "done"]
    histogram = histograms["residual_level_db", None]
    counts, _ = np.histogram(done["residual_level_db"], bins=np.array(histogram.edges))
    bars = np.add(histogram.kept, histogram.rejected)
    assert bars.sum() == len(done)
    # DuckDB and NumPy may put a value that lies on an edge to either side of it.
    assert np.abs(np.cumsum(bars) - np.cumsum(counts)).max() <= 1


@given(st.lists(FINITE, max_size=5))
def test_edges_hold_all_values_with_air(values):
    edges = even_edges(values)
    assert len(edges) == BINS + 1
    assert all(a < b for a, b in itertools.pairwise(edges))
    assert all(edges[0] < value < edges[-1] for value in values)


@given(FINITE, st.floats(1e-3, 1e6))
def test_ticks_are_few_round_and_inside(low, span):
    ticks = round_ticks(low, low + span)
    assert 2 <= len(ticks) <= 12
    assert all(low - 1e-6 <= tick <= low + span + 1e-6 for tick in ticks)


def test_the_drawing_stays_in_its_frame_and_shades_the_failing_side(histograms):
    for histogram in histograms.values():
        drawing = draw(histogram)
        for bar in drawing.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
            assert 0 <= bar.rejected_y <= bar.kept_y <= HEIGHT
        for line, threshold in zip(drawing.lines, histogram.thresholds, strict=True):
            starts_at_line = line.shade_x == pytest.approx(line.x)
            assert starts_at_line == (threshold.comparison == "<")
