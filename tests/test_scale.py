"""The arithmetic of `dataengine plan --nodes`: what must hold whatever was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataengine.engine.rehearsal import Line, Rehearsal
from dataengine.scale import GroupPlan, Rates, ScaleEstimate, estimate

RAY_SECONDS = 0.02
"""Between two slices."""
DRIVER = Rehearsal(
    "folder",
    planning=Line(0.1, 1e-5),
    finishing=Line(0.2, 4e-5),
    packing=Line(0.3, 2e-9),
    handing_out=Line(0.3, 2e-10),
)
seconds = st.floats(min_value=1e-3, max_value=100.0)
workers = st.integers(min_value=1, max_value=5000)
units = st.integers(min_value=1, max_value=10**9)
slice_units = st.integers(min_value=1, max_value=1024)


def rates(decode: float, separate: float, commit: float = 0.0) -> Rates:
    return Rates(
        units=100,
        stage_seconds={"decode": decode, "separate": separate},
        commit_seconds=commit,
        ray_seconds=RAY_SECONDS,
        start_seconds=30.0,
        audio_seconds=10.0,
        rows=2.0,
        kept_seconds=4.0,
        part_bytes=3e5,
        sample_bytes=2e3,
        shard_bytes=2e5,
    )


def groups(on_cpu: int, on_gpu: int) -> list[GroupPlan]:
    return [
        GroupPlan("decode", ("decode",), on_cpu, 1.0, 0.0),
        GroupPlan("separate", ("separate",), on_gpu, 1.0, 1.0),
    ]


def of(given_rates: Rates, plan: list[GroupPlan], count: int, size: int, nodes: int = 1) -> ScaleEstimate:
    return estimate(given_rates, DRIVER, plan, nodes, count, size)


@given(seconds, seconds, workers, workers, units, slice_units, st.integers(1, 100))
def test_more_workers_are_never_slower_and_cost_no_more_work(a, b, few, gpus, count, size, more):
    before = of(rates(a, b), groups(few, gpus), count, size)
    after = of(rates(a, b), groups(few + more, gpus + more), count, size)
    assert after.hours <= before.hours
    assert (after.cpu_hours, after.gpu_hours) == (before.cpu_hours, before.gpu_hours)


@given(seconds, seconds, workers, units, slice_units)
def test_no_cluster_beats_the_work_that_there_is(a, b, count_of_workers, count, size):
    found = of(rates(a, b), groups(count_of_workers, count_of_workers), count, size)
    assert found.steps.labelling * 3600 >= max(a, b) * count / count_of_workers * (1 - 1e-9)
    assert found.cpu_hours * 3600 >= (a + b) * count * (1 - 1e-9)
    assert found.gpu_hours * 3600 >= b * count * (1 - 1e-9)


@given(seconds, seconds, st.integers(1, 100), slice_units)
def test_twice_the_units_take_twice_as_long_when_there_are_many(a, b, count_of_workers, size):
    plan, many = groups(count_of_workers, count_of_workers), 2_000_000 * size
    once, twice = of(rates(a, b), plan, many, size), of(rates(a, b), plan, 2 * many, size)
    paid_once = (rates(a, b).start_seconds + 0.1 + 0.2 + 0.3) / 3600
    assert twice.hours - once.hours == pytest.approx(once.hours - paid_once, rel=1e-3)
    for name in ("audio_hours", "kept_hours"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name))
    assert twice.storage.total == pytest.approx(2 * once.storage.total)


@given(seconds, seconds, workers, workers, units, slice_units)
def test_the_group_that_limits_is_the_slowest_and_helping_another_does_not_help(
    a, b, cpus, gpus, count, size
):
    found = of(rates(a, b), groups(cpus, gpus), count, size)
    wall = {cost.name: cost.wall_hours for cost in found.groups}
    assert wall[found.limiting] == max(wall.values())
    assume(wall["decode"] != wall["separate"])
    helped = groups(cpus * 2, gpus) if found.limiting == "separate" else groups(cpus, gpus * 2)
    assert of(rates(a, b), helped, count, size).hours == found.hours


@given(seconds, seconds, units)
def test_small_slices_cost_what_ray_takes_for_each(a, b, count):
    assume(count <= 4096)
    found = of(rates(a, b), groups(1, 1), count, 1)
    between = 2 * RAY_SECONDS * count
    assert found.cpu_hours * 3600 == pytest.approx((a + b) * count + between)


@given(seconds, seconds, workers, units, slice_units, st.integers(2, 100))
def test_more_nodes_leave_planning_and_finishing_to_one_driver_that_hands_shards_out(
    a, b, count_of_workers, count, size, times
):
    few, many = count_of_workers, count_of_workers * times
    before = of(rates(a, b), groups(few, few), count, size)
    after = of(rates(a, b), groups(many, many), count, size, nodes=times)
    assert after.steps.labelling <= before.steps.labelling
    assert (after.steps.start, after.steps.finishing) == (before.steps.start, before.steps.finishing)
    handing_out = DRIVER.handing_out.at(rates(a, b).shard_bytes * count) / 3600
    assert max(handing_out, before.steps.packing / times) <= after.steps.packing <= before.steps.packing
    assert after.hours == pytest.approx(
        after.steps.start + after.steps.labelling + after.steps.finishing + after.steps.packing
    )
    assert after.node_hours == pytest.approx(times * after.hours)
    assert after.node_hours_to_label == pytest.approx(times * (after.steps.start + after.steps.labelling))


def test_a_million_hours_by_hand():
    """360 M windows of 10 s, 1 s of a worker each, on 1,000 workers: 100 hours of work for each of them."""
    plan = [GroupPlan("all", ("decode", "separate"), 1000, 1.0, 0.0)]
    found = of(rates(0.4, 0.5, commit=0.1), plan, 360_000_000, 128, nodes=32)
    assert found.audio_hours == pytest.approx(1_000_000)
    assert found.cpu_hours == pytest.approx(100_000, rel=1e-3)
    # 4,096 tasks on 1,000 workers: the last 96 have the cluster to themselves.
    assert found.steps.labelling == pytest.approx(100 * 5000 / 4096, rel=1e-3)
    # 10 µs a window, 40 µs a row, two rows a window; 200 kB a window at 500 MB/s.
    assert found.steps.start == pytest.approx(1.0, rel=1e-2)
    assert found.steps.finishing == pytest.approx(8.0, rel=1e-3)
    # Handed out at 5 GB/s, which 32 nodes would write in less: the driver cannot keep them busy.
    assert found.steps.packing == pytest.approx(4.0, rel=1e-3)
    on_four = of(rates(0.4, 0.5, commit=0.1), plan, 360_000_000, 128, nodes=4)
    assert on_four.steps.packing == pytest.approx(10.0, rel=1e-3)
    assert found.node_hours == pytest.approx(32 * found.hours)
    assert found.kept_hours == pytest.approx(400_000)
    assert found.storage.shards == pytest.approx(72e12)


def test_what_a_run_leaves_is_unknown_unless_one_was_finished():
    unfinished = replace(rates(1, 1), part_bytes=None, sample_bytes=None, shard_bytes=None, kept_seconds=None)
    found = of(unfinished, groups(1, 1), 10, 1)
    assert found.storage is None
    assert found.steps.packing is None
    assert found.hours == pytest.approx(found.steps.start + found.steps.labelling + found.steps.finishing)
    assert found.kept_hours is None
