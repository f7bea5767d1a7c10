"""How long a run takes on a cluster, and what it costs: arithmetic on measured rates.

A group's workers take tasks in turns; a task holds one slice, or several where there are more slices than
the engine gives tasks. Labelling takes as long as its slowest group, as groups work at the same time. Before it the
driver plans and Ray and the workers start; after it the driver finishes and packs, alone: more nodes do not help it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from dataengine.engine.ray_data import TASKS_A_PASS
from dataengine.engine.rehearsal import Rehearsal


@dataclass(frozen=True)
class Rates:
    """What a unit costs and leaves, as a run measured it."""

    units: int
    """That were measured."""
    stage_seconds: Mapping[str, float]
    """Seconds of one worker inside each stage, a planned unit."""
    commit_seconds: float
    """Seconds of one worker for encoding and committing, a unit; 0 if no worker did two slices."""
    ray_seconds: float
    """That a worker waits for Ray between two slices; 0 as above."""
    start_seconds: float
    """From the plan to the first slice: Ray's start, and the workers', who load their models."""
    audio_seconds: float
    """Of a unit."""
    rows: float
    """Of the samples table, a unit."""
    kept_seconds: float | None = None
    """Of kept samples, a unit; None, as the bytes below, if no finished run was measured."""
    part_bytes: float | None = None
    sample_bytes: float | None = None
    shard_bytes: float | None = None


@dataclass(frozen=True)
class GroupPlan:
    """Workers of one group on the cluster."""

    name: str
    stages: tuple[str, ...]
    workers: int
    cpus: float
    """Of a worker."""
    gpus: float
    """Of a worker."""


@dataclass(frozen=True)
class GroupCost:
    """What a group has to do."""

    name: str
    workers: int
    wall_hours: float
    """If it never waited for another group."""
    cpu_hours: float
    gpu_hours: float


@dataclass(frozen=True)
class Storage:
    """Bytes that a run leaves."""

    parts: float
    samples: float
    shards: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.parts + self.samples + self.shards


@dataclass(frozen=True)
class Steps:
    """Hours of the steps of a run, which follow each other."""

    start: float
    """Planning included."""
    labelling: float
    finishing: float
    packing: float | None
    """None if no finished run was measured."""

    @property
    def total(self) -> float:
        """From the command to its end."""
        return self.start + self.labelling + self.finishing + (self.packing or 0.0)


@dataclass(frozen=True)
class ScaleEstimate:
    """A run on a cluster."""

    nodes: int
    units: int
    slices: int
    tasks: int
    audio_hours: float
    kept_hours: float | None
    hours: float
    """From the command to its end."""
    steps: Steps
    cpu_hours: float
    """That workers are at work for, not those that the cluster offers."""
    gpu_hours: float
    node_hours: float
    """That the cluster is held, if it is until the end."""
    node_hours_to_label: float
    """That it is held if it is given back when all slices are committed."""
    limiting: str
    """The group that all others wait for."""
    groups: tuple[GroupCost, ...]
    storage: Storage | None


def estimate(
    rates: Rates,
    driver: Rehearsal,
    groups: Sequence[GroupPlan],
    nodes: int,
    units: int,
    slice_units: int,
) -> ScaleEstimate:
    """What a run of `units` units takes with these groups of workers, the last of which commits, and this driver."""
    slices = ceil(units / slice_units)
    tasks = min(slices, TASKS_A_PASS)
    costs = [
        _cost(
            group,
            _unit_seconds(group, rates, last=group is groups[-1]),
            rates.ray_seconds,
            slices,
            tasks,
            min(units, slice_units),
        )
        for group in groups
    ]
    slowest = max(costs, key=lambda cost: cost.wall_hours)
    steps = Steps(
        start=(rates.start_seconds + driver.planning.at(units)) / 3600,
        labelling=slowest.wall_hours,
        finishing=driver.finishing.at(rates.rows * units) / 3600,
        packing=_packing_hours(rates, driver, units, nodes),
    )
    return ScaleEstimate(
        nodes=nodes,
        units=units,
        slices=slices,
        tasks=tasks,
        audio_hours=rates.audio_seconds * units / 3600,
        kept_hours=None if rates.kept_seconds is None else rates.kept_seconds * units / 3600,
        hours=steps.total,
        steps=steps,
        cpu_hours=sum(cost.cpu_hours for cost in costs),
        gpu_hours=sum(cost.gpu_hours for cost in costs),
        node_hours=steps.total * nodes,
        node_hours_to_label=(steps.start + steps.labelling) * nodes,
        limiting=slowest.name,
        groups=tuple(costs),
        storage=_storage(rates, units),
    )


def _unit_seconds(group: GroupPlan, rates: Rates, last: bool) -> float:
    inside = sum(rates.stage_seconds[stage] for stage in group.stages)
    return inside + (rates.commit_seconds if last else 0.0)


def _packing_hours(rates: Rates, driver: Rehearsal, units: int, nodes: int) -> float | None:
    """Hours in which the nodes write the shards, each at this machine's pace, if one driver can keep them busy."""
    if rates.shard_bytes is None:
        return None
    if not rates.shard_bytes or driver.packing is None or driver.handing_out is None:
        return 0.0
    stored = rates.shard_bytes * units
    seconds = driver.packing.at(stored / nodes)
    return (seconds if nodes == 1 else max(seconds, driver.handing_out.at(stored))) / 3600


def _cost(
    group: GroupPlan, unit_seconds: float, ray_seconds: float, slices: int, tasks: int, slice_units: int
) -> GroupCost:
    task_seconds = slices / tasks * (ray_seconds + slice_units * unit_seconds)
    turns = ceil(tasks / group.workers)
    worker_hours = tasks * task_seconds / 3600
    return GroupCost(
        name=group.name,
        workers=group.workers,
        wall_hours=turns * task_seconds / 3600,
        cpu_hours=worker_hours * group.cpus,
        gpu_hours=worker_hours * group.gpus,
    )


def _storage(rates: Rates, units: int) -> Storage | None:
    if rates.part_bytes is None or rates.sample_bytes is None or rates.shard_bytes is None:
        return None
    return Storage(rates.part_bytes * units, rates.sample_bytes * units, rates.shard_bytes * units)
