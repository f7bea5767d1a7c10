"""Who works on a run: one driver at a time, and one that was thought dead stops when it wakes."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict

import pytest

from dataengine.engine.lease import (
    LEASE_FOLDER,
    SECONDS_UNTIL_STALE,
    Holder,
    Lease,
    LeaseLostError,
    ask_to_stop,
    holder_of,
    reason_to_stop,
)
from dataengine.engine.storage import Storage
from dataengine.errors import UserError

NOBODY = 2**22 + 1
"""No process has this number: it is above the largest that Linux gives."""


@pytest.fixture
def storage(tmp_path):
    return Storage.at(tmp_path / "run")


def leave_behind(storage: Storage, **facts: object) -> Holder:
    """A lease as a driver left it."""
    holder = Holder(
        **{"host": socket.gethostname(), "pid": os.getpid(), "epoch": 1, "beat": time.time(), **facts}
    )
    storage.replace(f"{LEASE_FOLDER}/{holder.epoch:05d}.json", json.dumps(asdict(holder)).encode())
    return holder


def test_a_second_driver_is_told_who_the_first_is(storage):
    with (
        Lease(storage),
        pytest.raises(UserError, match=rf"process {os.getpid()} on .* is at work here"),
    ):
        Lease(storage).__enter__()
    with Lease(storage) as lease:
        assert lease.holder.epoch == 2


@pytest.mark.parametrize(
    "facts",
    [
        {"released": True},
        {"pid": NOBODY},
        {"beat": time.time() - SECONDS_UNTIL_STALE - 1},
        {"host": "elsewhere", "beat": time.time() - SECONDS_UNTIL_STALE - 1},
    ],
    ids=["released", "process gone", "suspended", "silent elsewhere"],
)
def test_a_driver_that_is_gone_is_succeeded(storage, facts):
    leave_behind(storage, **facts)
    with Lease(storage) as lease:
        assert lease.holder.epoch == 2


def test_a_driver_elsewhere_is_believed_to_work_while_it_gives_signs_of_life(storage):
    leave_behind(storage, host="elsewhere", pid=NOBODY)
    with pytest.raises(UserError, match="on elsewhere"):
        Lease(storage).__enter__()


def test_a_driver_that_wakes_finds_that_it_was_succeeded(storage):
    first = Lease(storage).__enter__()
    leave_behind(storage, epoch=1, beat=time.time() - SECONDS_UNTIL_STALE - 1)  # it was suspended
    with Lease(storage) as second:
        first._renew()  # its heart beats again
        assert holder_of(storage).epoch == second.holder.epoch == 2
        with pytest.raises(LeaseLostError, match="has taken over"):
            first.check()
        assert "driver 2 has taken the run over" in reason_to_stop(storage, first.holder.epoch)
        assert reason_to_stop(storage, second.holder.epoch) is None
        second.check()
    first.__exit__(None, None, None)
    assert holder_of(storage).epoch == 2


def test_being_asked_to_stop_ends_with_the_driver_that_was_asked(storage):
    with Lease(storage) as lease:
        assert reason_to_stop(storage, lease.holder.epoch) is None
        ask_to_stop(storage, lease.holder.epoch)
        assert "asked to stop" in reason_to_stop(storage, lease.holder.epoch)
    with Lease(storage) as lease:
        assert reason_to_stop(storage, lease.holder.epoch) is None
