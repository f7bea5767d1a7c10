"""Measuring on a few windows what a pipeline costs: a run like any other, in a folder that is thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.engine.cluster import HERE
from dataengine.engine.settings import EngineSettings
from dataengine.pipeline import Pipeline
from dataengine.runner import run
from manifests.tables import open_table

SLICES_A_WORKER = 2
"""At least: what lies between two slices of a worker is measured too."""


@dataclass(frozen=True)
class ProbeShape:
    """How a probe is cut."""

    windows: int
    slice_units: int
    workers: int
    """Of each group, that are at work together."""

    @classmethod
    def of(cls, windows: int, engine: EngineSettings, workers: int) -> ProbeShape:
        """As many of the machine's `workers` as have `SLICES_A_WORKER` slices to do, of a micro-batch or more."""
        least = min(engine.micro_batch_units, max(1, windows // SLICES_A_WORKER))
        slice_units = min(engine.slice_units, max(least, windows // (SLICES_A_WORKER * workers)))
        slices = -(-windows // slice_units)
        return cls(windows, slice_units, max(1, min(workers, slices // SLICES_A_WORKER)))


def windows_to_fill(workers: int, engine: EngineSettings) -> int:
    """The fewest windows with which a probe has all workers of the machine at work."""
    return workers * SLICES_A_WORKER * engine.micro_batch_units


def probe(
    file: Path,
    overrides: Sequence[str],
    stages: Sequence[str],
    manifest: str,
    shape: ProbeShape,
    folder: Path,
) -> Path:
    """Run a pipeline on windows spread evenly over the manifest, on this machine; returns the run directory.

    `file`, `overrides` and `stages` are those of `Pipeline.load`. Raises as `dataengine.runner.run` does.
    """
    sample = folder / "manifest.parquet"
    pq.write_table(_sample(manifest, shape.windows), sample)
    cut = [
        f"input={sample}",
        f"engine.slice_units={shape.slice_units}",
        f"engine.workers={shape.workers}",
        "engine.max_failed=null",
    ]
    run_dir = folder / "run"
    run(Pipeline.load(file, [*overrides, *cut], stages), run_dir, address=HERE)
    return run_dir


def _sample(manifest: str, units: int) -> pa.Table:
    """Rows at even distances; only the row groups that hold one are read."""
    with open_table(manifest) as file:
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
