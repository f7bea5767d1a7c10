"""What a run directory says of its run: written at the first start, held against the pipeline afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from dataengine.delta import DEFAULT_MARGIN, Delta
from dataengine.engine.plan import Plan, manifest_digest, write_plan
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.fork import Fork, copied_plan
from dataengine.pipeline import Pipeline
from dataengine.pipeline_changes import in_one_line
from dataengine.run_files import PIPELINE_FILE, RUN_FILE

_KEYS = {"fork": "forked_from", "delta": "delta_from"}
"""Where `run.json` tells of the earlier run."""


@dataclass(frozen=True)
class Origin:
    """The earlier run that a run is to start from, as the user names it."""

    fork: str | Path | None = None
    """To take over what a changed pipeline leaves as it was."""
    delta: str | Path | None = None
    """To label again only what another model is likely to make flip."""
    margin: float | None = None
    """How far a score may move in a delta, in interquartile ranges of it; default: `DEFAULT_MARGIN`."""


NO_ORIGIN = Origin()


def plan_of(pipeline: Pipeline, storage: Storage, origin: Origin = NO_ORIGIN) -> Plan:
    """The run's plan: made at the first start, checked against the pipeline afterwards.

    Args:
        pipeline: the pipeline that is to run.
        storage: the run directory.
        origin: an earlier run that this one starts from.

    Raises:
        UserError: the directory holds a run of another pipeline, manifest or origin, or nothing of the
            earlier run can be taken over.
    """
    if not storage.exists(RUN_FILE):
        return _start(pipeline, storage, origin)
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
    for key, named in (("fork", origin.fork), ("delta", origin.delta)):
        started_from = (record.get(_KEYS[key]) or {}).get("run")
        if named and started_from != Storage.at(named).root:
            raise UserError(
                f"this run was not started as a {key} of {named}; choose another --run-dir",
                where=storage.root,
            )
    storage.replace(PIPELINE_FILE, pipeline.resolved_yaml().encode())
    return Plan(
        record["manifest"]["units"], record["slices"], record["slice_units"], record["manifest"]["digest"]
    )


def fork_of(storage: Storage) -> Fork | None:
    """What the run takes over from an earlier one; None unless it is a fork."""
    record = json.loads(storage.read(RUN_FILE)).get(_KEYS["fork"])
    return Fork.from_record(record) if record else None


def delta_of(storage: Storage) -> Delta | None:
    """What the run carries over from an earlier one; None unless it is a delta."""
    record = json.loads(storage.read(RUN_FILE)).get(_KEYS["delta"])
    return Delta.from_record(record) if record else None


def _start(pipeline: Pipeline, storage: Storage, origin: Origin) -> Plan:
    if origin.fork and origin.delta:
        raise UserError("a run starts from one earlier run: give --fork or --delta")
    fork = Fork.of(pipeline, origin.fork) if origin.fork else None
    margin = DEFAULT_MARGIN if origin.margin is None else origin.margin
    delta = Delta.of(pipeline, origin.delta, margin) if origin.delta else None
    if earlier := fork or delta:
        plan = copied_plan(earlier.run, storage)
    else:
        plan = write_plan(pipeline.input, storage, pipeline.engine.slice_units)
    storage.replace(PIPELINE_FILE, pipeline.resolved_yaml().encode())
    record = {
        "pipeline_digest": pipeline.digest,
        "pipeline": pipeline.identity,
        "manifest": {"uri": pipeline.input, "digest": plan.manifest_digest, "units": plan.units},
        "slice_units": plan.slice_units,
        "slices": plan.slices,
        "created": time.time(),
        _KEYS["fork"]: asdict(fork) if fork else None,
        _KEYS["delta"]: asdict(delta) if delta else None,
    }
    storage.replace(RUN_FILE, json.dumps(record, indent=2).encode())
    return plan
