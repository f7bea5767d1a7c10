"""Compare-and-set of a pointer: of several writers that saw the same, one succeeds."""

from __future__ import annotations

import threading

from dataengine.engine.storage import Storage
from dataengine.engine.swap import swap


def test_a_pointer_moves_only_from_what_its_writer_saw(storage):
    assert swap(storage, "finish.json", None, b"first")
    assert not swap(storage, "finish.json", None, b"second")
    assert swap(storage, "finish.json", b"first", b"second")
    assert not swap(storage, "finish.json", b"first", b"third")
    assert storage.read("finish.json") == b"second"


def test_a_write_that_came_through_unheard_is_a_success(storage):
    assert swap(storage, "finish.json", None, b"mine")
    assert swap(storage, "finish.json", None, b"mine")


def test_of_many_writers_at_once_one_moves_the_pointer(tmp_path):
    storage = Storage.at(tmp_path)
    storage.create("finish.json", b"before")
    won: list[int] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        if swap(storage, "finish.json", b"before", bytes([number])):
            won.append(number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert storage.read("finish.json") == bytes(won)
