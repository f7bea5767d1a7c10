"""Measuring the work on a few units, to tell beforehand what a run will cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.engine.grouping import WorkerGroup
from dataengine.engine.slice_work import GroupRunner, Screen, StageWork, units_of
from dataengine.engine.stage import Stage
from manifests.schema import is_heavy


@dataclass(frozen=True)
class ProbeResult:
    """What a worker did with a few units."""

    units: int
    work: tuple[StageWork, ...]
    setup_seconds: float


def probe(
    groups: Sequence[WorkerGroup],
    manifest: str,
    units: int,
    micro_batch_units: int,
    screens: Mapping[str, Screen],
) -> ProbeResult:
    """Run the stages on `units` units in this process, spread evenly over the manifest. Writes nothing."""
    stages = [stage for group in groups for stage in group.stages]
    began = time.perf_counter()
    for stage in stages:
        stage.setup()
    setup_seconds = time.perf_counter() - began
    state, work = units_of(_sample(manifest, units)), list[StageWork]()
    for group in groups:
        state, of_group = _runner(group, stages, micro_batch_units, screens).run(0, state)
        work.extend(of_group)
    return ProbeResult(units, tuple(work), setup_seconds)


def _runner(
    group: WorkerGroup, stages: Sequence[Stage], micro_batch_units: int, screens: Mapping[str, Screen]
) -> GroupRunner:
    heavy = {name for stage in stages for name, kind in stage.columns_added().items() if is_heavy(kind)}
    models = group.stages[0].context.models
    return GroupRunner(group.name, group.stages, models, frozenset(heavy), micro_batch_units, screens=screens)


def _sample(manifest: str, units: int) -> pa.Table:
    """Rows at even distances; only the row groups that hold one are read."""
    with pq.ParquetFile(manifest) as file:
        total = file.metadata.num_rows
        wanted = np.unique(np.linspace(0, total - 1, num=min(units, total)).astype(np.int64))
        found, start = [], 0
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            inside = wanted[(wanted >= start) & (wanted < start + rows)] - start
            if len(inside):
                found.append(file.read_row_group(number).take(pa.array(inside)))
            start += rows
    return pa.concat_tables(found)
