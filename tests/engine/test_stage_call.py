"""One stage on one batch: what is checked, and what a failure costs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine import Stage
from dataengine.engine import stage_call
from dataengine.engine.batch import Batch
from dataengine.engine.stage_call import Reason, TransientError, run_stage
from manifests.schema import WAVEFORM


def rows(count: int) -> Batch:
    ids = [f"{n:032x}" for n in range(count)]
    return Batch({"unit_id": ids, "sample_id": ids, "number": np.arange(count)})


class Square(Stage):
    """Squares a number; raises for those it is told to."""

    reads = ("number",)
    adds = {"square": pa.int64()}
    poison: tuple[int, ...] = ()

    def process(self, batch: Batch) -> Batch:
        if set(self.poison) & set(batch["number"].tolist()):
            raise ValueError("cannot square this")
        return batch.with_columns(square=batch["number"] ** 2)


@given(st.integers(1, 40), st.sets(st.integers(0, 39)))
def test_only_the_rows_that_cause_an_error_fail(count, poison):
    result = run_stage(Square(poison=tuple(poison)), rows(count))
    bad = sorted(poison & set(range(count)))
    assert result.passed["number"].tolist() == [n for n in range(count) if n not in poison]
    assert [int(n) for each in result.settled for n in each["number"]] == bad
    assert result.failed == len(bad)
    for each in result.settled:
        assert each["status"] == ["failed"]
        assert each["stage"] == ["square"]
        assert each["error_type"] == ["ValueError"]
        assert "cannot square this" in each["traceback"][0]


class Faithless(Stage):
    """Breaks its word in the way it is told to."""

    adds = {"square": pa.int64()}
    how: str

    def process(self, batch: Batch) -> Batch:
        answer = batch.with_columns(square=batch["number"])
        return {
            "drops a row": lambda: answer.slice(1, len(answer)),
            "reorders": lambda: answer.take(np.arange(len(answer))[::-1]),
            "adds nothing": lambda: batch,
            "adds more": lambda: answer.with_columns(other=batch["number"]),
            "no batch": lambda: answer.names,
        }[self.how]()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("drops a row", "dropped"),
        ("adds nothing", "did not add"),
        ("adds more", "without declaring"),
        ("no batch", "not a Batch"),
    ],
)
def test_a_stage_that_breaks_its_declaration_fails_its_rows_and_says_how(how, says):
    result = run_stage(Faithless(how=how), rows(4))
    assert result.failed == 4
    assert all(says in each["error"][0] for each in result.settled)
    assert all(each["error_type"] == ["StageContractError"] for each in result.settled)


class Forked(Stage):
    """As many candidates as the unit's number says."""

    adds = {"text": pa.string()}
    proposes = True

    def process(self, batch: Batch) -> Batch:
        parents = [row for row, number in enumerate(batch["number"]) for _ in range(number)]
        return batch.expand(parents, text=[f"prompt {n}" for n in range(len(parents))])


def test_candidates_get_ids_and_units_without_candidates_are_accounted_for():
    result = run_stage(Forked(), rows(4))
    assert result.passed["number"].tolist() == [1, 2, 2, 3, 3, 3]
    assert len(set(result.passed["sample_id"])) == 6
    assert [each["number"].tolist() for each in result.settled] == [[0]]
    assert result.settled[0]["status"] == ["empty"]


class Offline(Stage):
    """Storage that is down for a number of calls."""

    calls: list[int]
    error: type[OSError] = ConnectionError

    def process(self, batch: Batch) -> Batch:
        self.calls.append(len(batch))
        if len(self.calls) < 3:
            raise self.error("storage is down")
        return batch


def test_storage_in_trouble_is_waited_for_and_fails_no_row(monkeypatch):
    monkeypatch.setattr(stage_call, "SECONDS_BETWEEN_TRIES", 0.0)
    calls: list[int] = []
    result = run_stage(Offline.model_construct(calls=calls), rows(4))
    assert (len(result.passed), result.failed, calls) == (4, 0, [4, 4, 4])


def test_storage_that_stays_down_gives_the_whole_slice_up(monkeypatch):
    monkeypatch.setattr(stage_call, "SECONDS_BETWEEN_TRIES", 0.0)
    with pytest.raises(TransientError, match="storage is down"):
        run_stage(Offline.model_construct(calls=_Never()), rows(4))


class _Never(list):
    """A list that never grows, so that the third call is never reached."""

    def append(self, _: int) -> None:
        return


def test_a_missing_file_is_the_fault_of_its_row():
    result = run_stage(Offline.model_construct(calls=_Never(), error=FileNotFoundError), rows(2))
    assert result.failed == 2


class Shaped(Stage):
    """A waveform of another form than is due."""

    adds = {"mixture": WAVEFORM}
    shape: tuple[int, ...]
    kind: str

    def process(self, batch: Batch) -> Batch:
        return batch.with_columns(mixture=[np.zeros(self.shape, self.kind) for _ in range(len(batch))])


@pytest.mark.parametrize(
    ("shape", "kind", "failed"), [((8,), "f4", 0), ((8,), "f8", 0), ((2, 8), "f4", 3), ((8,), "i2", 3)]
)
def test_a_waveform_has_one_dimension_and_is_floating_point(shape, kind, failed):
    result = run_stage(Shaped(shape=shape, kind=kind), rows(3))
    assert result.failed == failed
    assert all("where a waveform is due" in each["error"][0] for each in result.settled)


def test_what_a_row_says_of_its_failure_is_the_same_in_every_process():
    error = ValueError(f"{object()} and {object()}")
    assert Reason.of(error).error == "<object object at 0x…> and <object object at 0x…>"
