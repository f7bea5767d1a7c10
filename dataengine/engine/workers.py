"""What runs inside Ray's actors: a group's stages on a slice, and at the end the commit."""

from __future__ import annotations

import json
import traceback
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.grouping import WorkerGroup
from dataengine.engine.job import Job
from dataengine.engine.parts import Counts, commit, part_of
from dataengine.engine.plan import read_slice
from dataengine.engine.slice_work import GroupRunner, SliceState, StageWork, units_of
from dataengine.engine.stage_call import TransientError

MESSAGE = "message"
"""The one column of the rows that pass between groups and to the driver: one row is one slice."""


@dataclass(frozen=True)
class SliceReport:
    """What the driver hears of a slice."""

    slice: int
    counts: Counts | None = None
    work: tuple[StageWork, ...] = ()
    postponed: str | None = None
    """Why the slice is still to be done: storage was in trouble."""
    fatal: str | None = None
    """Why no slice can be done by this worker: a stage could not be set up."""

    def to_json(self) -> str:
        """Text that passes through Ray."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SliceReport:
        """The report that `to_json` wrote."""
        fields = json.loads(text)
        fields["counts"] = Counts(**fields["counts"]) if fields["counts"] else None
        fields["work"] = tuple(StageWork(**entry) for entry in fields["work"])
        return cls(**fields)


class GroupActor:
    """One worker of a group; Ray Data makes as many as the pool has, and again when one is lost."""

    def __init__(self, job: Job, group: WorkerGroup, first: bool, last: bool) -> None:
        self._job, self._first, self._last = job, first, last
        self._models = job.stages[0].context.models
        self._runner = GroupRunner(
            group.name, group.stages, self._models, job.heavy_columns, job.micro_batch_units
        )
        self._fatal: str | None = None
        try:
            for stage in group.stages:
                stage.setup()
        except Exception:  # raised here, Ray would start the actor again for ever: the driver must hear of it
            self._fatal = traceback.format_exc()

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[Any]]:
        """Work on one slice: `rows` holds one message, and so does the answer."""
        (message,) = rows[MESSAGE]
        answer = self._work(int(message)) if self._first else self._continue(bytes(message))
        return {MESSAGE: [answer]}

    def _work(self, number: int) -> Any:
        if self._fatal:
            return self._answer(SliceReport(number, fatal=self._fatal))
        units = read_slice(self._job.storage, number)
        return self._run(number, units, units_of(units), [])

    def _continue(self, message: bytes) -> Any:
        number, units, state, work, report = unpack(message)
        if report is not None:  # an earlier group could not do the slice
            return self._answer(report)
        if self._fatal:
            return self._answer(SliceReport(number, fatal=self._fatal))
        return self._run(number, units, state, work)

    def _run(self, number: int, units: pa.Table, state: SliceState, work: list[StageWork]) -> Any:
        try:
            state, mine = self._runner.run(number, state)
            work = [*work, *mine]
            if not self._last:
                return pack(number, units, state, work)
            part = part_of(number, units, self._job.pipeline_digest)
            counts = commit(part, state, work, self._job)
        except (TransientError, OSError) as error:
            return self._answer(SliceReport(number, postponed=f"{type(error).__name__}: {error}"))
        except (
            Exception
        ):  # the engine's own fault: the driver tells it once no slice is left that can be done
            return self._answer(SliceReport(number, postponed=traceback.format_exc()))
        return self._answer(SliceReport(number, counts, tuple(work)))

    def _answer(self, report: SliceReport) -> Any:
        return report.to_json() if self._last else pack_report(report)


def pack(number: int, units: pa.Table, state: SliceState, work: list[StageWork]) -> bytes:
    """A slice between two groups, as one value: Arrow streams behind a JSON head."""
    streams = [_stream(table) for table in (units, *(b.infer_arrow() for b in (state.live, *state.settled)))]
    head = {"slice": number, "work": [asdict(entry) for entry in work], "sizes": [len(s) for s in streams]}
    return _join(head, streams)


def pack_report(report: SliceReport) -> bytes:
    """A slice that an earlier group could not do, on its way to the last."""
    return _join({"report": report.to_json(), "sizes": []}, [])


def unpack(
    message: bytes,
) -> tuple[int, pa.Table, SliceState, list[StageWork], SliceReport | None]:
    """What `pack` or `pack_report` made."""
    size = int.from_bytes(message[:8], "little")
    head = json.loads(message[8 : 8 + size])
    view, start, tables = pa.py_buffer(message), 8 + size, []
    for length in head["sizes"]:
        tables.append(pa.ipc.open_stream(view.slice(start, length)).read_all())
        start += length
    if "report" in head:
        report = SliceReport.from_json(head["report"])
        empty = pa.table({})
        return report.slice, empty, SliceState(Batch({}), []), [], report
    units, live, *settled = tables
    state = SliceState(Batch.from_arrow(live), [Batch.from_arrow(each) for each in settled])
    return head["slice"], units, state, [StageWork(**entry) for entry in head["work"]], None


def _join(head: dict[str, Any], streams: list[bytes]) -> bytes:
    encoded = json.dumps(head).encode()
    return b"".join([len(encoded).to_bytes(8, "little"), encoded, *streams])


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
