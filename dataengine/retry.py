"""Trying again what failed in a run, once the cause is mended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataengine.engine.attempts import attempts_of, plan_attempt, planned_slices
from dataengine.engine.lease import Lease
from dataengine.engine.part_rows import failed_units
from dataengine.engine.parts import Counts
from dataengine.engine.plan import Plan
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.pipeline import Pipeline
from dataengine.pipeline_file import parse_pipeline_text
from dataengine.run_files import PIPELINE_FILE, RUN_FILE
from dataengine.runner import RunSummary, Wanted, drive, without_part


@dataclass(frozen=True)
class Retried:
    """What came of trying again."""

    tried: int
    """Units that were tried again."""
    still_failed: int
    """Units that have a failed row now."""
    unreadable: int
    """Units that the index could not read; their recordings must be indexed anew."""
    summary: RunSummary


def retry(run_dir: str | Path, stage_sources: Sequence[str] = (), address: str | None = None) -> Retried:
    """Label the units again that have a failed row, and finish the run anew.

    They are planned as further slices of the run; a retry that was stopped goes on with those. Of the
    attempts at a unit the best one counts, see `dataengine.engine.part_rows`. Units that the index could
    not read have nothing to label and are left as they are.

    Args:
        run_dir: a run directory.
        stage_sources: Python files or modules with stages of your own.
        address: a Ray cluster, as for a run.

    Raises:
        UserError: there is no run, its pipeline gives other labels now, or another driver works on it.
        EngineError: the engine could not go on.
    """
    storage = Storage.at(run_dir)
    pipeline = pipeline_of_run(storage, stage_sources)
    tried = 0

    def outstanding_or_failed(plan: Plan, lease: Lease) -> Wanted:
        nonlocal tried
        slices = without_part(planned_slices(0, attempts_of(storage)), storage)
        if len(slices):
            tried = sum(attempt.units for attempt in attempts_of(storage) if attempt.end > slices[0])
        else:
            failed, _ = failed_units(storage)
            tried = len(failed)
            if tried:
                slices = plan_attempt(storage, plan, failed, lease.check).numbers
        return Wanted(slices, tried, Counts())

    summary = drive(pipeline, storage, outstanding_or_failed, address)
    failed, unreadable = failed_units(storage)
    return Retried(tried, len(failed), unreadable, summary)


def pipeline_of_run(storage: Storage, stage_sources: Sequence[str]) -> Pipeline:
    """The pipeline that a run was made with, as it keeps it.

    Raises UserError if there is no run, or if the pipeline no longer gives the same labels: models, filter
    files or stages have changed.
    """
    if not storage.exists(RUN_FILE):
        raise UserError(f"not a run directory: it has no {RUN_FILE}", where=storage.root)
    text = storage.read(PIPELINE_FILE).decode()
    pipeline = Pipeline.of(parse_pipeline_text(text, storage.path(PIPELINE_FILE)), stage_sources)
    record = json.loads(storage.read(RUN_FILE))
    if pipeline.digest != record["pipeline_digest"]:
        changes = "; ".join(pipeline.changes_since(record["pipeline"]))
        raise UserError(
            f"this run's pipeline would give other labels now ({changes}); take the change back, or start a new run",
            where=storage.root,
        )
    return pipeline
