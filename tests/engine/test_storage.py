"""Files of a run directory: whole or not at all, and the first writer wins."""

from __future__ import annotations

import threading

from dataengine.engine.storage import Storage


def test_only_the_first_writer_creates_a_file(storage):
    assert storage.create("parts/a", b"first")
    assert not storage.create("parts/a", b"second")
    assert storage.read("parts/a") == b"first"


def test_a_file_is_replaced_whole(storage):
    storage.replace("log/a", b"a long first content")
    storage.replace("log/a", b"short")
    assert storage.read("log/a") == b"short"
    assert storage.size("log/a") == 5


def test_files_are_listed_below_a_folder(storage):
    for name in ("parts/1/b.tar", "parts/0/a.tar", "parts/0/a.parquet", "samples/x.parquet"):
        storage.create(name, b".")
    assert list(storage.files("parts")) == ["parts/0/a.parquet", "parts/0/a.tar", "parts/1/b.tar"]
    assert list(storage.files("parts", ".parquet")) == ["parts/0/a.parquet"]
    assert list(storage.files("shards")) == []


def test_a_range_of_a_file_is_read(storage):
    storage.create("a", b"0123456789")
    assert storage.read_range("a", 3, 4) == b"3456"


def test_of_many_writers_at_once_one_wins_and_leaves_nothing_half_done(tmp_path):
    storage = Storage.at(tmp_path)
    won: list[int] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        if storage.create("part", bytes([number]) * 100_000):
            won.append(number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert storage.read("part") == bytes(won) * 100_000
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


def test_a_file_that_is_never_published_is_gone(tmp_path):
    storage = Storage.at(tmp_path)
    with storage.temporary("parts/a") as temporary:
        temporary.write_bytes(b"half")
        assert list(storage.files("parts", ".incomplete"))
    assert list(storage.files("parts")) == []
