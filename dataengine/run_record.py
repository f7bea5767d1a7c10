"""What a run directory says of its run: written at the first start, held against the pipeline afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from dataengine.engine.plan import Plan, manifest_digest, write_plan
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.fork import Fork
from dataengine.pipeline import Pipeline
from dataengine.pipeline_changes import in_one_line
from dataengine.run_files import PIPELINE_FILE, RUN_FILE


def plan_of(pipeline: Pipeline, storage: Storage, fork: str | Path | None = None) -> Plan:
    """The run's plan: made at the first start, checked against the pipeline afterwards.

    Args:
        pipeline: the pipeline that is to run.
        storage: the run directory.
        fork: an earlier run that this one takes over from.

    Raises:
        UserError: the directory holds a run of another pipeline, manifest or origin, or nothing of the
            earlier run can be taken over.
    """
    if not storage.exists(RUN_FILE):
        return _start(pipeline, storage, Fork.of(pipeline, fork) if fork else None)
    record = json.loads(storage.read(RUN_FILE))
    if record["pipeline_digest"] != pipeline.digest:
        changes = in_one_line(pipeline.changes_since(record["pipeline"]))
        raise UserError(
            f"this directory holds a run of another pipeline ({changes}); take the change back, or choose another "
            f"--run-dir, with --fork {storage.root} to take over what the change leaves as it is",
            where=storage.root,
        )
    if record["manifest"]["digest"] != manifest_digest(pipeline.input):
        raise UserError(
            f"this run was planned from a manifest with other units than {pipeline.input} has now; "
            "choose another --run-dir, or restore the manifest",
            where=storage.root,
        )
    origin = origin_of(storage)
    if fork and (origin is None or origin.run != Storage.at(fork).root):
        raise UserError(
            f"this run was not started as a fork of {fork}; choose another --run-dir", where=storage.root
        )
    storage.replace(PIPELINE_FILE, pipeline.resolved_yaml().encode())
    return Plan(
        record["manifest"]["units"], record["slices"], record["slice_units"], record["manifest"]["digest"]
    )


def origin_of(storage: Storage) -> Fork | None:
    """What the run takes over from an earlier one; None unless it is a fork."""
    record = json.loads(storage.read(RUN_FILE)).get("forked_from")
    return Fork.from_record(record) if record else None


def _start(pipeline: Pipeline, storage: Storage, origin: Fork | None) -> Plan:
    slice_units = pipeline.engine.slice_units
    plan = origin.plan(storage) if origin else write_plan(pipeline.input, storage, slice_units)
    storage.replace(PIPELINE_FILE, pipeline.resolved_yaml().encode())
    record = {
        "pipeline_digest": pipeline.digest,
        "pipeline": pipeline.identity,
        "manifest": {"uri": pipeline.input, "digest": plan.manifest_digest, "units": plan.units},
        "slice_units": plan.slice_units,
        "slices": plan.slices,
        "created": time.time(),
        "forked_from": asdict(origin) if origin else None,
    }
    storage.replace(RUN_FILE, json.dumps(record, indent=2).encode())
    return plan
