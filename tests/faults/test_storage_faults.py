"""Storage that fails: an object store with bad days, a full disk, a directory that someone else is at work on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from cheap_job import STAGE_FILES, CheapJob, orphans, results
from counting_stages import FOLDER
from driver_process import Driver, run_to_end
from object_store import BUCKET, Faults, FaultyProxy, ObjectStore

from dataengine.engine.storage import UPLOAD_CHUNK_BYTES, Storage
from manifests.media.source import WHOLE_FETCH_BYTES

BAD_DAY = Faults(
    error_500=0.03,
    slow_down=0.03,
    refused=0.03,
    lost_answer=0.03,
    cut_answer=0.03,
    hangs=0.01,
    slow=0.05,
    seconds=0.3,
)
UNITS = 320


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    yield store
    store.close()


@pytest.fixture
def proxy(store, monkeypatch) -> Iterator[FaultyProxy]:
    """The way to the store; a test sets its faults."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()  # clients of earlier tests know another endpoint
    proxy = FaultyProxy(store.port)
    for name, value in proxy.environment.items():
        monkeypatch.setenv(name, value)
    yield proxy
    proxy.close()


@pytest.fixture
def on_s3(proxy) -> Storage:
    return Storage.at(f"s3://{BUCKET}/run")


def test_only_the_first_writer_creates_an_object_small_or_large(on_s3, store, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(os.urandom(3 * UPLOAD_CHUNK_BYTES))
    assert on_s3.create("small", b"first")
    assert not on_s3.create("small", b"second")
    assert on_s3.publish(large, "parts/large.tar")
    large.write_bytes(b"x" * 3 * UPLOAD_CHUNK_BYTES)
    assert not on_s3.publish(large, "parts/large.tar")
    assert on_s3.read("small") == b"first"
    assert on_s3.size("parts/large.tar") == 3 * UPLOAD_CHUNK_BYTES
    assert on_s3.read_range("parts/large.tar", 5, 4) != b"xxxx"
    assert store.uploads() == 0


@pytest.mark.parametrize("megabytes", [1, 20])
def test_of_many_writers_at_once_one_creates_the_object(on_s3, tmp_path, megabytes):
    won: list[int] = []
    start = threading.Barrier(6)

    def write(number: int) -> None:
        file = tmp_path / str(number)
        file.write_bytes(bytes([number]) * megabytes * 2**20)
        start.wait()
        if on_s3.publish(file, "part"):
            won.append(number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert on_s3.read("part") == bytes(won) * megabytes * 2**20


@pytest.mark.slow
def test_a_large_file_is_never_in_memory_whole(on_s3, tmp_path, proxy):
    """A process that uploads 256 MB grows by the pieces that are under way, not by the file."""
    file = tmp_path / "shard.tar"
    with file.open("wb") as sink:
        sink.truncate(256 * 2**20)
    program = (
        "import resource, sys, pathlib\n"
        "from dataengine.engine.storage import Storage\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "storage = Storage.at(sys.argv[1])\n"
        "storage.create('small', b'.')\n"
        "before = peak()\n"
        "assert storage.publish(pathlib.Path(sys.argv[2]), 'shard.tar')\n"
        "print(peak() - before)\n"
    )
    command = [sys.executable, "-c", program, on_s3.root, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"the process grew by {float(done.stdout):.0f} MB")
    assert float(done.stdout) < 160


def test_an_object_store_on_a_bad_day_loses_nothing(on_s3, proxy, store):
    proxy.faults = Faults(
        error_500=0.05, slow_down=0.05, refused=0.05, lost_answer=0.1, cut_answer=0.05, slow=0.02, seconds=0.1
    )
    generator = random.Random(1)
    written: dict[str, bytes] = {}
    for number in range(60):
        name, content = f"parts/{number:03d}", generator.randbytes(generator.randrange(1, 20_000))
        on_s3.create(name, content)  # False where the answer to the write that came through was lost
        written[name] = content
        assert on_s3.read(name) == content
        assert not on_s3.create(name, b"another")
        if number % 10 == 0:
            assert list(on_s3.files("parts")) == sorted(written)
    assert proxy.happened["lost_answer"] >= 5
    assert {f"run/{name}" for name in written} == set(store.names())


def test_a_listing_that_cannot_be_read_to_its_end_is_an_error(on_s3, proxy, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for number in range(3):
        on_s3.create(f"parts/{number}", b".")
    proxy.outage(60)
    with pytest.raises(OSError, match="parts"):
        list(on_s3.files("parts"))
    with pytest.raises(OSError, match="parts/0"):
        on_s3.exists("parts/0")


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> CheapJob:
    return CheapJob.write(tmp_path_factory.mktemp("job"), UNITS, seconds_each=0.05)


@pytest.fixture(scope="module")
def undisturbed_run(job, tmp_path_factory) -> Path:
    """The job's run on a local disk where nothing fails."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code, printed = run_to_end(job.command(folder / "run"), folder / "output.txt", {FOLDER: str(folder)})
    assert code == 0, printed
    return folder / "run"


@pytest.fixture(scope="module")
def undisturbed(undisturbed_run) -> dict[str, str]:
    """What the job comes to."""
    return results(undisturbed_run)


def fetch(store: ObjectStore, folder: Path) -> Path:
    """A run directory on the store, as local files."""
    for name in store.names():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(store.read(name))
    return folder / "run"


@pytest.mark.slow
def test_a_run_on_an_object_store_with_bad_days_is_the_run_on_a_good_disk(
    job, undisturbed, store, proxy, tmp_path
):
    store.client.upload_file(str(job.manifest), BUCKET, "manifest.parquet")
    proxy.faults = BAD_DAY
    remote = CheapJob(job.pipeline, f"s3://{BUCKET}/manifest.parquet")
    code, printed = run_to_end(
        remote.command(f"s3://{BUCKET}/run"), tmp_path / "output.txt", {FOLDER: str(tmp_path)}
    )
    print(dict(proxy.happened))
    assert code == 0, printed
    assert min(proxy.happened[kind] for kind in ("error_500", "slow_down", "refused", "lost_answer")) > 0
    local = fetch(store, tmp_path / "fetched")
    assert results(local) == undisturbed
    assert orphans(local) == []
    assert store.uploads() == 0


@pytest.mark.slow
def test_an_outage_fails_no_unit(job, undisturbed, store, proxy, tmp_path):
    # The client gives up at its first failure, so that half a minute is as long as minutes are to its defaults.
    environment = {"AWS_MAX_ATTEMPTS": "1"}
    survive_an_outage(job, undisturbed, store, proxy, tmp_path, 30, environment)


@pytest.mark.soak
def test_an_outage_of_two_minutes_fails_no_unit(job, undisturbed, store, proxy, tmp_path):
    survive_an_outage(job, undisturbed, store, proxy, tmp_path, 120, {})


def survive_an_outage(
    job: CheapJob,
    undisturbed: dict[str, str],
    store: ObjectStore,
    proxy: FaultyProxy,
    tmp_path: Path,
    seconds: float,
    environment: dict[str, str],
) -> None:
    store.client.upload_file(str(job.manifest), BUCKET, "manifest.parquet")
    remote = CheapJob(job.pipeline, f"s3://{BUCKET}/manifest.parquet")
    command = remote.command(f"s3://{BUCKET}/run")
    driver = Driver(command, tmp_path / "output.txt", {FOLDER: str(tmp_path), **environment})
    assert driver.wait_until(lambda: time.sleep(0.3) or len(parts_on(store)) >= 2)
    proxy.outage(seconds)
    assert driver.wait(600) == 0, driver.output.read_text()
    assert proxy.happened["outage"] > 0
    local = fetch(store, tmp_path / "fetched")
    assert results(local) == undisturbed
    assert (
        pq.read_table(local / "samples", columns=["status"]).column("status").to_pylist().count("failed") == 0
    )


@pytest.fixture
def recordings_on_store(store, demo_directory, tmp_path) -> str:
    """Real recordings on the store, one of them so large that only the windows asked for are read; their URL."""
    scenes = sorted((demo_directory / "pool").glob("*.flac"))[:20]
    for scene in scenes:
        store.client.upload_file(str(scene), BUCKET, f"recordings/{scene.name}")
    long = np.concatenate([soundfile.read(scene, dtype="float32")[0] for scene in scenes])
    soundfile.write(tmp_path / "long.wav", np.tile(long, 2), 16_000, subtype="PCM_24")
    assert (tmp_path / "long.wav").stat().st_size > WHOLE_FETCH_BYTES
    store.client.upload_file(str(tmp_path / "long.wav"), BUCKET, "recordings/long.wav")
    return f"s3://{BUCKET}/recordings"


@pytest.mark.slow
def test_recordings_on_an_object_store_with_bad_days_and_an_outage_fail_no_unit(
    recordings_on_store, proxy, tmp_path
):
    output, pipeline = tmp_path / "output.txt", tmp_path / "light.yaml"
    pipeline.write_text(
        "deterministic: true\n"
        "stages: [decode, propose, halve, levels, silence_ratio, fingerprint]\n"
        "engine: {slice_units: 8}\n"
    )

    def index(name: str) -> Path:
        manifest = tmp_path / f"{name}.parquet"
        code, printed = run_to_end(("index", recordings_on_store, "-o", manifest), output)
        assert code == 0, printed
        return manifest

    def command(run_dir: Path) -> list[str | Path]:
        sources = [argument for file in STAGE_FILES for argument in ("--stages", file)]
        return ["run", pipeline, "--set", f"input={tmp_path}/good.parquet", "--run-dir", run_dir, *sources]

    good = pq.read_table(index("good"))
    assert good.num_rows > 40
    assert good["error_type"].null_count == good.num_rows
    code, printed = run_to_end(command(tmp_path / "undisturbed"), output)
    assert code == 0, printed

    proxy.faults = BAD_DAY
    assert pq.read_table(index("bad")).equals(good)
    driver = Driver(command(tmp_path / "run"), output, {"AWS_MAX_ATTEMPTS": "2"})
    assert driver.wait_until(lambda: len(list((tmp_path / "run").glob("parts/*/*.parquet"))) >= 2)
    proxy.outage(20)
    assert driver.wait(600) == 0, output.read_text()
    print(dict(proxy.happened))
    assert min(proxy.happened[kind] for kind in ("error_500", "refused", "outage")) > 0
    assert results(tmp_path / "run") == results(tmp_path / "undisturbed")
    status = pq.read_table(tmp_path / "run" / "samples", columns=["status"])["status"].to_pylist()
    assert "failed" not in status


def parts_on(store: ObjectStore) -> list[str]:
    return [name for name in store.names("run/parts") if name.endswith(".parquet")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "environment", "says"),
    [
        ("s3://no-such-bucket/run", {}, "bucket does not exist"),
        (
            f"s3://{BUCKET}/run",
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
            "connect",
        ),
    ],
)
def test_a_store_that_is_not_there_is_one_line(job, proxy, tmp_path, place, environment, says):
    code, printed = run_to_end(
        job.command(place), tmp_path / "output.txt", {FOLDER: str(tmp_path), **environment}
    )
    assert code == 1
    (line,) = printed.strip().splitlines()
    assert line.startswith("dataengine: ")
    assert place in line
    assert says in line


class SmallDisk:
    """A disk in memory that can be made larger."""

    def __init__(self, folder: Path, kilobytes: int) -> None:
        self.folder = folder
        mount = ("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder))
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")

    def enlarge(self, kilobytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(self.folder)], check=True)

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = SmallDisk(folder, 1500)
    yield disk
    disk.remove()


@pytest.mark.slow
def test_a_full_disk_is_a_clear_stop_and_space_is_all_it_takes(
    job, undisturbed_run, undisturbed, small_disk, tmp_path
):
    run_dir = small_disk.folder / "run"

    def run() -> tuple[int, str]:
        return run_to_end(job.command(run_dir), tmp_path / "output.txt", {FOLDER: str(tmp_path)})

    def parts() -> int:
        return len(list(run_dir.glob("parts/*/*.parquet")))

    code, printed = run()
    assert_says_that_the_disk_is_full(code, printed, run_dir)
    assert 0 < parts() < 20
    small_disk.enlarge(kilobytes_of(undisturbed_run, but_for=("samples", "shards", "report")) + 300)
    code, printed = run()
    assert_says_that_the_disk_is_full(code, printed, run_dir)
    assert parts() == 20
    small_disk.enlarge(40_000)
    code, printed = run()
    assert code == 0, printed
    assert results(run_dir) == undisturbed
    assert orphans(run_dir) == []


def kilobytes_of(folder: Path, but_for: tuple[str, ...]) -> int:
    paths = [path for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in but_for]
    return sum(path.stat().st_blocks for path in paths) // 2


def assert_says_that_the_disk_is_full(code: int, printed: str, run_dir: Path) -> None:
    assert code == 1, printed
    assert "Traceback" not in printed
    last = printed.strip().splitlines()[-1]
    assert last.startswith("dataengine: ")
    assert "no space left" in last.lower()
    assert str(run_dir) in last


@pytest.mark.slow
def test_a_second_process_is_refused_and_a_stale_lease_is_taken_over(job, undisturbed, tmp_path):
    run_dir, environment = tmp_path / "run", {FOLDER: str(tmp_path)}
    first = Driver(job.command(run_dir), tmp_path / "first.txt", environment)
    assert first.wait_until(lambda: any(run_dir.glob("parts/*/*.parquet")))
    code, printed = run_to_end(job.command(run_dir), tmp_path / "second.txt", environment)
    assert code == 2
    assert f"process {first.pid} on" in printed
    assert first.running()
    first.kill()

    (lease,) = (run_dir / "lease").glob("*.json")
    holder = {**json.loads(lease.read_text()), "host": "another-host"}
    lease.write_text(json.dumps({**holder, "beat": time.time()}))
    code, printed = run_to_end(job.command(run_dir), tmp_path / "second.txt", environment)
    assert code == 2
    assert "on another-host is at work" in printed
    lease.write_text(json.dumps({**holder, "beat": time.time() - 3600}))
    code, printed = run_to_end(job.command(run_dir), tmp_path / "second.txt", environment)
    assert code == 0, printed
    assert results(run_dir) == undisturbed
