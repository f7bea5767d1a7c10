"""How stages become worker groups, and how many workers each gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine import Stage
from dataengine.engine.batch import Batch
from dataengine.engine.cluster import ClusterSize
from dataengine.engine.execute import plan_pools
from dataengine.engine.grouping import group_stages
from dataengine.engine.stage import Resources
from dataengine.errors import UserError


class Passing(Stage):
    """Does nothing."""

    def process(self, batch: Batch) -> Batch:
        return batch


class Decode(Passing):
    """On a CPU."""


class Separate(Passing):
    """On a GPU."""

    resources = Resources(cpus=1, gpus=1)


class Score(Passing):
    """On the same GPU, shared."""

    resources = Resources(cpus=1, gpus=0.5)


class Judge(Passing):
    """On a CPU again."""


STAGES = [Decode(), Separate(), Score(), Judge()]


def test_consecutive_stages_with_the_same_needs_share_a_worker():
    assert [g.name for g in group_stages([Decode(), Judge(), Separate()])] == ["decode…judge", "separate"]
    assert [g.name for g in group_stages(STAGES)] == ["decode", "separate", "score", "judge"]


def test_groups_by_hand_need_the_most_of_their_stages():
    first, second = group_stages(STAGES, [["decode"], ["separate", "score", "judge"]])
    assert (first.resources, second.resources) == (Resources(1, 0), Resources(1, 1))


@pytest.mark.parametrize(
    "by_hand",
    [[["decode", "separate"]], [["separate", "decode", "score", "judge"]], [["decode"], [], ["separate"]]],
)
def test_groups_by_hand_that_do_not_list_every_stage_in_order_are_refused(by_hand):
    with pytest.raises(UserError, match="every stage once, in order"):
        group_stages(STAGES, by_hand)


@given(st.integers(1, 256), st.lists(st.floats(0.5, 8), min_size=1, max_size=5))
def test_pools_never_take_the_last_cpu(cpus, needs):
    stages = [
        type(f"Stage{n}", (Passing,), {"resources": Resources(cpus=need), "__doc__": "A stage."})()
        for n, need in enumerate(needs)
    ]
    pools = plan_pools(group_stages(stages), ClusterSize(cpus, 0), None)
    assert all(pool.workers >= 1 for pool in pools)
    assert sum(pool.workers * pool.cpus_each for pool in pools) <= 0.9 * cpus + 0.01


def test_a_stage_that_needs_a_gpu_is_refused_where_there_is_none():
    with pytest.raises(UserError, match="need 1 GPU and the cluster has 0"):
        plan_pools(group_stages(STAGES), ClusterSize(8, 0), None)


def test_gpus_are_shared_out_among_the_groups_that_need_them():
    pools = plan_pools(group_stages(STAGES), ClusterSize(64, 6), None)
    used = sum(pool.workers * pool.gpus_each for pool in pools)
    assert 3 <= used <= 6


@pytest.mark.parametrize(
    ("needs", "gpus", "wanted"),
    [([1, 1, 1], 2, None), ([1] * 5, 3, None), ([0.6] * 3, 2, None), ([1, 1, 1], 4, 2)],
)
def test_every_worker_finds_its_part_on_one_gpu(needs, gpus, wanted):
    stages = [
        type(f"Stage{n}", (Passing,), {"resources": Resources(1, need + n / 1000), "__doc__": "A stage."})()
        for n, need in enumerate(needs)
    ]
    free = [1.0] * gpus
    for pool in plan_pools(group_stages(stages), ClusterSize(64, gpus), wanted):
        for _ in range(pool.workers):
            number = next(number for number, left in enumerate(free) if left >= pool.gpus_each - 1e-9)
            free[number] -= pool.gpus_each


def test_groups_share_a_gpu_where_there_are_fewer_than_groups():
    pools = plan_pools(group_stages(STAGES), ClusterSize(8, 1), None)
    assert [pool.gpus_each > 0 for pool in pools] == [False, True, True, False]
    assert sum(pool.workers * pool.gpus_each for pool in pools) <= 1


def test_stages_of_different_environments_never_share_a_worker():
    stages, pythons = [Decode(), Judge(), Score()], {"judge": "/opt/numpy1/bin/python"}
    same = {stage.name(): Resources(1, 0) for stage in stages}
    groups = group_stages(stages, needs=same, pythons=pythons)
    assert [(group.name, group.python) for group in groups] == [
        ("decode", None),
        ("judge", "/opt/numpy1/bin/python"),
        ("score", None),
    ]
    assert groups == group_stages(stages, [["decode"], ["judge"], ["score"]], same, pythons)
    with pytest.raises(UserError, match=r"'decode' and 'judge' in one group.*list them apart"):
        group_stages(stages, [["decode", "judge"], ["score"]], same, pythons)


def test_needs_that_are_given_take_the_place_of_the_stages_own():
    groups = group_stages(STAGES, needs={"score": Resources(1, 1), "judge": Resources(2, 0)})
    assert [group.name for group in groups] == ["decode", "separate…score", "judge"]
    assert [group.resources for group in groups] == [Resources(1, 0), Resources(1, 1), Resources(2, 0)]
