import numpy as np
import pyarrow as pa
import pytest
from binding import bound
from test_sounding import RATE, bursts

from dataengine.engine.batch import Batch
from manifests.schema import SPANS
from stages.spans import Spans


def mined(*targets: np.ndarray, **parameters: object) -> Batch:
    return bound(Spans(**parameters)).process(Batch({"target": list(targets)}))


def test_a_discrete_event_keeps_its_intervals() -> None:
    batch = mined(bursts((1, 1.5), (7, 7.25), seconds=10))
    assert batch["event_type"] == ["spiky"]
    assert batch["spikiness"] == pytest.approx(1.0)
    assert batch["spans"] == [[{"start": 1.0, "end": 1.5}, {"start": 7.0, "end": 7.25}]]


def test_continuous_ambience_has_no_spans() -> None:
    batch = mined(bursts((0, 10), seconds=10))
    assert batch["event_type"] == ["continuous"]
    assert batch["spikiness"] == pytest.approx(0.2, abs=0.01)
    assert batch["spans"] == [[]]


def test_a_silent_target_has_no_event() -> None:
    batch = mined(np.zeros(10 * RATE, np.float32), np.zeros(0, np.float32))
    assert batch["spikiness"].tolist() == [0, 0]
    assert batch["spans"] == [[], []]


def test_the_threshold_is_a_parameter() -> None:
    half = bursts((0, 3), seconds=10)  # the loudest fifth of the window holds two thirds of its energy
    assert mined(half)["event_type"] == ["continuous"]
    assert mined(half, minimum_spikiness=0.6)["event_type"] == ["spiky"]


def test_columns_have_the_types_of_the_contract() -> None:
    batch = mined(bursts((1, 2)))
    table = batch.to_arrow(pa.schema(list(Spans.adds.items())))
    assert table.schema.field("spans").type == SPANS
