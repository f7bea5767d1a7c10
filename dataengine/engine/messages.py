"""What passes between the driver, the workers and the groups: one value a slice."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from dataengine.engine.arrow_stream import from_stream, to_stream
from dataengine.engine.batch import Batch
from dataengine.engine.failures import Failure
from dataengine.engine.parts import Counts
from dataengine.engine.slice_work import SliceState, StageWork


@dataclass(frozen=True)
class StoppedWorker:
    """A worker that takes no slices any more, because the run is to stop."""

    host: str
    process: int
    given: int
    """How many slices it was given so far, the one that it did not take among them."""


@dataclass(frozen=True)
class SliceReport:
    """What the driver hears of a slice."""

    slice: int
    counts: Counts | None = None
    work: tuple[StageWork, ...] = ()
    failures: tuple[Failure, ...] = ()
    postponed: str | None = None
    """Why the slice is still to be done: storage was in trouble, or it was lost over and over."""
    no_space: bool = False
    """Whether it was postponed because the disk is full: waiting will not help."""
    stopped: StoppedWorker | None = None
    """Who did not take the slice any more."""
    fatal: str | None = None
    """Why no slice can be done by this worker: its process could not be started, or a stage not be set up."""

    def to_json(self) -> str:
        """Text that passes through Ray."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SliceReport:
        """The report that `to_json` wrote."""
        fields = json.loads(text)
        fields["counts"] = Counts(**fields["counts"]) if fields["counts"] else None
        fields["work"] = tuple(StageWork(**entry) for entry in fields["work"])
        fields["failures"] = tuple(Failure(**entry) for entry in fields["failures"])
        fields["stopped"] = StoppedWorker(**fields["stopped"]) if fields["stopped"] else None
        return cls(**fields)


@dataclass(frozen=True)
class SliceMessage:
    """A slice between two groups, or the report that ended it early."""

    slice: int
    units: pa.Table
    state: SliceState
    work: list[StageWork]
    report: SliceReport | None = None


def pack(message: SliceMessage) -> bytes:
    """A slice as one value: Arrow streams behind a JSON head."""
    state = message.state
    tables = [message.units, *(batch.infer_arrow() for batch in (state.live, *state.settled))]
    streams = [to_stream(table) for table in tables]
    work = [asdict(entry) for entry in message.work]
    return _join({"slice": message.slice, "work": work, "sizes": [len(each) for each in streams]}, streams)


def pack_report(report: SliceReport) -> bytes:
    """A slice that an earlier group could not do, on its way to the last."""
    return _join({"slice": report.slice, "report": report.to_json()}, [])


def answer_of(report: SliceReport, last: bool) -> bytes | str:
    """A report in the form in which a group answers: JSON to the driver if it is the last, else packed."""
    return report.to_json() if last else pack_report(report)


def slice_of(message: bytes) -> int:
    """The number of a packed slice."""
    return int(_head(message)[0]["slice"])


def unpack(message: bytes) -> SliceMessage:
    """What `pack` or `pack_report` made."""
    head, start = _head(message)
    if "report" in head:
        report = SliceReport.from_json(head["report"])
        return SliceMessage(report.slice, pa.table({}), SliceState(Batch({}), []), [], report)
    view, tables = pa.py_buffer(message), []
    for length in head["sizes"]:
        tables.append(from_stream(view.slice(start, length)))
        start += length
    units, live, *settled = tables
    state = SliceState(Batch.from_arrow(live), [Batch.from_arrow(each) for each in settled])
    return SliceMessage(head["slice"], units, state, [StageWork(**entry) for entry in head["work"]])


def _head(message: bytes) -> tuple[dict[str, Any], int]:
    """The JSON head, and where it ends."""
    end = 8 + int.from_bytes(message[:8], "little")
    return json.loads(message[8:end]), end


def _join(head: dict[str, Any], streams: list[bytes]) -> bytes:
    encoded = json.dumps(head).encode()
    return b"".join([len(encoded).to_bytes(8, "little"), encoded, *streams])
