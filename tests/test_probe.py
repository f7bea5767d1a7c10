"""How a probe is cut: full micro-batches, and two slices for each worker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.engine.settings import EngineSettings
from dataengine.probe import SLICES_A_WORKER, ProbeShape, windows_to_fill

engines = st.builds(EngineSettings, slice_units=st.integers(1, 512), micro_batch_units=st.integers(1, 64))
workers = st.integers(1, 200)


@given(st.integers(2, 5000), engines, workers)
def test_each_worker_that_is_started_has_two_slices_to_do(windows, engine, machine):
    shape = ProbeShape.of(windows, engine, machine)
    assert 1 <= shape.workers <= machine
    assert 1 <= shape.slice_units <= engine.slice_units
    assert -(-windows // shape.slice_units) >= SLICES_A_WORKER * shape.workers


@given(engines, workers)
def test_the_machine_is_full_from_the_windows_on_that_are_told(engine, machine):
    fewest = windows_to_fill(machine, engine)
    shape = ProbeShape.of(fewest, engine, machine)
    assert shape.workers == machine
    assert shape.slice_units == min(engine.micro_batch_units, engine.slice_units)


@pytest.mark.parametrize(
    ("windows", "slice_units", "of_two"), [(1, 1, 1), (8, 4, 1), (16, 8, 1), (32, 8, 2), (400, 32, 2)]
)
def test_by_hand(windows, slice_units, of_two):
    assert ProbeShape.of(windows, EngineSettings(), 2) == ProbeShape(windows, slice_units, of_two)
