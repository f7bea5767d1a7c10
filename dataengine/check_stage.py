"""Trying any stage on real rows: what `dataengine check-stage` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
from ray import cloudpickle

import stages
from dataengine.engine.batch import Batch
from dataengine.engine.slice_work import GroupRunner, units_of
from dataengine.engine.stage import Stage
from dataengine.errors import UserError
from dataengine.pipeline import Pipeline
from dataengine.pipeline_file import lay_overrides, read_pipeline_file
from dataengine.stage_catalogue import StageCatalogue, send_file_stages_by_value, stages_in
from dataengine.stage_checks import Check, Cost, Examination
from dataengine.validation import suggestion
from dataengine.yaml_source import Located
from manifests.tables import open_table

MAX_ROWS = 16
"""Rows a stage is tried on: enough to mix, few enough for a slow model."""

MIN_ROWS = 2


@dataclass(frozen=True)
class StageReport:
    """What came of trying a stage."""

    stage: str
    rows: int
    checks: tuple[Check, ...]
    cost: Cost | None

    @property
    def passed(self) -> bool:
        """Whether the stage keeps the whole contract."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> str:
        """The report for machines."""
        return json.dumps({"passed": self.passed, **asdict(self)}, indent=2)


def check_stage(
    target: str,
    parameters: Sequence[str] = (),
    manifest: str | None = None,
    pipeline: str | Path | None = None,
    windows: int = 6,
) -> StageReport:
    """Hold a stage against the contract of stages, on rows that the stages before it made.

    Args:
        target: a stage's name, or `FILE.py:Class`, or `MODULE:Class`.
        parameters: `key=value`, parameters of the stage.
        manifest: recordings to try it on; default: the pipeline's input.
        pipeline: a pipeline file whose stages write what the stage reads; default: the built-in one.
        windows: how many windows of the manifest are taken, from its front.

    Raises:
        UserError: the stage cannot be found or built, or gets no rows.
    """
    name, sources = _name_and_sources(target)
    written = read_pipeline_file(pipeline or str(resources.files(stages) / "pseudolabel.yaml"))
    before = _stages_before(name, written, StageCatalogue(sources))
    written = _ending_in(name, before, written, manifest)
    written = lay_overrides(written, [f"stages.{name}.{each}" for each in parameters])
    chain = Pipeline.of(written, sources)
    sent = _as_sent_to_a_worker(chain.stages[-1])
    examination = Examination(lambda: cast(Stage, cloudpickle.loads(sent)), _rows(chain, windows))
    checks = tuple(examination.checks())
    return StageReport(name, examination.rows, checks, examination.cost)


def _name_and_sources(target: str) -> tuple[str, tuple[str, ...]]:
    source, colon, wanted = target.rpartition(":")
    if not colon:
        return (stages_in(target)[0].name(), (target,)) if target.endswith(".py") else (target, ())
    classes = {stage.__name__: stage for stage in stages_in(source)}
    if wanted not in classes:
        raise UserError(f"no stage {wanted!r}{suggestion(wanted, classes)}", where=source)
    return classes[wanted].name(), (source,)


def _stages_before(name: str, written: Located, catalogue: StageCatalogue) -> list[str]:
    """Stages of the pipeline that run first: those before it, or enough to write what it reads."""
    names = list(written.data.get("stages", {}))
    if name in names:
        return names[: names.index(name)]
    reads = set(catalogue.find(name).reads)
    writers = [i for i, each in enumerate(names) if reads & catalogue.find(each).adds.keys()]
    return names[: max(writers, default=-1) + 1]


def _ending_in(name: str, before: Sequence[str], written: Located, manifest: str | None) -> Located:
    """The pipeline as far as the stage, on another manifest if one is given."""
    known = written.data.get("stages", {})
    data = {key: value for key, value in written.data.items() if key not in ("engine", "pack")}
    data["stages"] = {each: known.get(each) or {} for each in (*before, name)}
    places = dict(written.places)
    places.setdefault(("stages", name), f"stage {name}")
    if manifest is not None:
        data["input"] = manifest
        places["input",] = "--manifest"
    return Located(data, places)


def _rows(chain: Pipeline, windows: int) -> Batch:
    """The first windows of the input, after all stages but the last."""
    state = units_of(_readable_windows(chain.input, windows))
    if len(chain.stages) > 1:
        before = chain.stages[:-1]
        for stage in before:
            stage.setup()
        models = before[0].context.models
        state, _ = GroupRunner("check", before, models, frozenset(), windows).run(0, state)
    rows = state.live.slice(0, MAX_ROWS)
    if len(rows) < MIN_ROWS:
        errors = [text for batch in state.settled if "error" in batch for text in batch["error"] if text]
        why = f": {errors[0]}" if errors else "; try more --windows"
        raise UserError(
            f"only {len(rows)} rows reach stage {chain.stages[-1].name()!r}{why}", where=chain.input
        )
    return rows


def _readable_windows(manifest: str, count: int) -> pa.Table:
    found: list[pa.Table] = []
    with open_table(manifest) as file:
        for batch in file.iter_batches():
            table = pa.Table.from_batches([batch])
            found.append(table.filter(pc.is_null(table.column("error_type"))).slice(0, count))
            if sum(each.num_rows for each in found) >= count:
                break
    return pa.concat_tables(found).slice(0, count) if found else file.schema_arrow.empty_table()


def _as_sent_to_a_worker(stage: Stage) -> bytes:
    """The stage on its way to a worker of a run. Raises UserError if it cannot be sent."""
    send_file_stages_by_value()
    try:
        sent: bytes = cloudpickle.dumps(stage)  # type: ignore[no-untyped-call]
        cloudpickle.loads(sent)
    except Exception as error:
        raise UserError(f"stage {stage.name()!r} cannot be sent to a worker: {error}") from error
    return sent
