"""`kill -9` at any moment, and the same command again: the run ends as if nothing had been."""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cheap_job import CheapJob, orphans, results
from counting_stages import FOLDER, counted
from driver_process import Driver, run_to_end
from process_trees import Process, gone_within

from dataengine.engine.lease import SECONDS_UNTIL_STALE

REPOSITORY = Path(__file__).parents[2]
UNITS = 2000
SLICE_UNITS = 16
SECONDS_EACH = 0.02
ROUNDS = int(os.environ.get("DATAENGINE_SOAK_ROUNDS", "1"))
SECONDS_TO_DIE = 60.0
"""Ray's processes notice within this time that their driver is gone."""

Moment = Callable[[], bool]
Watch = Callable[[], Moment]
"""Looks at the run as it is, and gives the moment at which something is new."""


def at_once() -> Moment:
    """No need to wait."""
    return lambda: True


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> CheapJob:
    return CheapJob.write(tmp_path_factory.mktemp("job"), UNITS, SECONDS_EACH, SLICE_UNITS)


@pytest.fixture(scope="module")
def undisturbed(job, tmp_path_factory) -> dict[str, str]:
    """What a run comes to that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "count").mkdir()
    code, printed = run_to_end(
        job.command(folder / "run"), folder / "output.txt", {FOLDER: str(folder / "count")}
    )
    assert code == 0, printed
    assert Counter(counted(folder / "count")).most_common(1)[0][1] == 1
    return results(folder / "run")


class Watched:
    """What can be seen of a run from outside."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._parts = run_dir / "parts" / "00000"

    def parts(self) -> set[str]:
        return {name for name in self._names(self._parts) if name.endswith(".parquet")}

    def lease_taken(self) -> Moment:
        """Another driver than before has the run."""
        return self._more_files("lease")

    def labelling_began(self) -> Moment:
        """Another driver than before has its workers at it."""
        return self._more_files("log/drivers")

    def _more_files(self, folder: str) -> Moment:
        before = self._names(self.run_dir / folder)
        return lambda: any(name.endswith(".json") for name in self._names(self.run_dir / folder) - before)

    def more_parts(self) -> Moment:
        before = len(self.parts())
        return lambda: len(self.parts()) > before

    def tar_without_table(self) -> Moment:
        """A part's tar is there that was not, and its table is not."""
        before = self._lone_tars()
        return lambda: bool(self._lone_tars() - before)

    def _lone_tars(self) -> set[str]:
        names = self._names(self._parts)
        tables = {name.removesuffix(".parquet") for name in names if name.endswith(".parquet")}
        return {name for name in names if name.endswith(".tar") and name.rpartition("-")[0] not in tables}

    def results_change(self) -> Moment:
        before = self._results()
        return lambda: self._results() != before

    def half_of_the_shards(self) -> Moment:
        """Some shards are there that were not, and not all."""
        before = self._names(self.run_dir / "shards")
        return lambda: 0 < len([n for n in self._names(self.run_dir / "shards") - before if ".tar" in n]) < 12

    def _results(self) -> set[str]:
        return {
            f"{folder}/{name}"
            for folder in ("samples", "shards")
            for name in self._names(self.run_dir / folder)
        }

    @staticmethod
    def _names(folder: Path) -> set[str]:
        try:
            return set(os.listdir(folder))
        except FileNotFoundError:
            return set()


class Killer:
    """Starts the same command again and again, and kills it."""

    def __init__(self, command: Callable[..., list[str | Path]], folder: Path, seed: int) -> None:
        self.run_dir = folder / "run"
        self.watched = Watched(self.run_dir)
        self.random = random.Random(seed)
        self._command, self._output = command, folder / "output.txt"
        self._count = folder / "count"
        self._count.mkdir()
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._order_of_shards = 0
        self.killed: Counter[str] = Counter()
        self.left_behind: list[Process] = []

    def start(self) -> Driver:
        order = ("--set", f"pack.shuffle_seed={self._order_of_shards}")
        environment = {
            FOLDER: str(self._count),
            "TMPDIR": str(self.temporary),
            "RAY_TMPDIR": tempfile.gettempdir(),  # its sockets want a short name
        }
        return Driver(self._command(self.run_dir, *order), self._output, environment)

    def kill_at(self, name: str, moment: Watch, began: Watch, delay: float = 0.0) -> None:
        """Kill the driver, or the driver with all it started, up to `delay` seconds after a moment.

        The moment is watched for once this driver has begun what it is to be killed in: what workers of the last
        one still bring to an end does not count. Where the driver ends before that, the next one packs in another
        order, to have something to do.
        """
        begun = began()
        driver = self.start()
        everything = self.random.random() < 0.5 or name == "between tar and table"
        if driver.wait_until(begun) and driver.wait_until(moment()):
            time.sleep(self.random.uniform(0, delay))
        if driver.running():
            left = driver.signal_all(signal.SIGKILL) if everything else driver.kill()
            self.left_behind += left
            self.killed[name] += 1
            print(f"killed {name}, with {len(self.watched.parts())} parts committed", flush=True)
        else:
            assert driver.wait() == 0, self._output.read_text()
            self._order_of_shards += 1

    def finish(self) -> None:
        self._order_of_shards = 0
        code = self.start().wait()
        assert code == 0, self._output.read_text()

    def times_done(self) -> Counter[str]:
        return Counter(counted(self._count))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_many_moments_a_run_ends_as_if_nothing_had_been(job, undisturbed, tmp_path, seed):
    killer = Killer(job.command, tmp_path, seed)
    watched = killer.watched
    for _ in range(2):
        killer.kill_at("while it starts", at_once, at_once, delay=4)
    for _ in range(9):
        killer.kill_at("while it labels", watched.more_parts, watched.labelling_began, delay=1.5)
    for _ in range(3):
        killer.kill_at("between tar and table", watched.tar_without_table, watched.labelling_began)
    assert len(watched.parts()) < UNITS / SLICE_UNITS, "labelling was over before the last kill"
    for _ in range(5):
        killer.kill_at("while it finishes", watched.results_change, watched.lease_taken, delay=0.4)
    for _ in range(3):
        killer.kill_at("half the shards written", watched.half_of_the_shards, watched.lease_taken)
    killer.finish()

    assert killer.killed.total() >= 20, killer.killed
    assert not gone_within(killer.left_behind, SECONDS_TO_DIE)
    assert results(killer.run_dir) == undisturbed
    assert orphans(killer.run_dir) == []
    assert list(killer.temporary.iterdir()) == []
    parts = [pq.read_table(path, columns=["sample_id"]) for path in killer.run_dir.glob("parts/*/*.parquet")]
    ids = [each for part in parts for each in part.column("sample_id").to_pylist()]
    assert len(set(ids)) == len(ids)
    times = killer.times_done()
    assert len(times) == UNITS
    redone = (times.total() - UNITS) / UNITS
    kills = (
        killer.killed.total() - killer.killed["while it finishes"] - killer.killed["half the shards written"]
    )
    print(f"\n{killer.killed.total()} kills: {dict(killer.killed)}; work done again: {redone:.1%}")
    assert redone <= kills * 2 * 2 * SLICE_UNITS / UNITS  # two workers, each with a slice begun and one ahead


@pytest.fixture(scope="module")
def demo_run(demo_directory, tmp_path_factory) -> Callable[..., list[str | Path]]:
    """`demo_run(run_dir, "key=value", …)`: arguments that label demo windows with the real stages."""
    folder = tmp_path_factory.mktemp("demo")
    manifest = folder / "manifest.parquet"
    code, printed = run_to_end(("index", demo_directory / "pool", "-o", manifest), folder / "index.txt")
    assert code == 0, printed

    def command(run_dir: Path, *settings: str) -> list[str | Path]:
        given = (f"input={manifest}", "engine.slice_units=3", *settings)
        sets = [argument for setting in given for argument in ("--set", setting)]
        return ["run", REPOSITORY / "stages" / "pseudolabel.yaml", "--run-dir", run_dir, *sets]

    return command


@pytest.fixture(scope="module")
def undisturbed_demo(demo_run, tmp_path_factory) -> Path:
    """A run of the demo's pipeline that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed-demo")
    code, printed = run_to_end(demo_run(folder / "run", "deterministic=true"), folder / "output.txt")
    assert code == 0, printed
    return folder / "run"


def killed_twice(command: Callable[..., list[str | Path]], folder: Path) -> Path:
    killer = Killer(command, folder, seed=0)
    killer.kill_at("while it labels", killer.watched.more_parts, killer.watched.labelling_began, delay=1)
    killer.kill_at("while it finishes", killer.watched.results_change, killer.watched.lease_taken)
    killer.finish()
    assert killer.killed["while it labels"] == 1, killer.killed
    assert orphans(killer.run_dir) == []
    return killer.run_dir


@pytest.mark.slow
def test_killed_in_the_pipeline_of_the_demo_a_run_ends_as_if_nothing_had_been(
    demo_run, undisturbed_demo, tmp_path
):
    run_dir = killed_twice(lambda run_dir, *more: [*demo_run(run_dir, "deterministic=true"), *more], tmp_path)
    assert results(run_dir) == results(undisturbed_demo)


@pytest.mark.slow
def test_in_other_batches_scores_agree_and_verdicts_flip_at_thresholds_alone(
    demo_run, undisturbed_demo, tmp_path
):
    """Not `deterministic`: after a kill other rows stand together, and here no two batches are the same."""
    settings = ("engine.micro_batch_units=5", "engine.slice_units=7")
    run_dir = killed_twice(lambda run_dir, *more: [*demo_run(run_dir, *settings), *more], tmp_path)
    code, printed = run_to_end(("compare", undisturbed_demo, run_dir), tmp_path / "compared.txt")
    print(printed)
    assert code == 0, printed


@pytest.mark.slow
def test_a_driver_that_was_thought_dead_changes_nothing_when_it_comes_back(job, undisturbed, tmp_path):
    suspend_and_take_over(job, undisturbed, tmp_path, wait=backdate_the_lease)


@pytest.mark.soak
def test_a_driver_comes_back_after_its_lease_has_run_out_in_real_time(job, undisturbed, tmp_path):
    suspend_and_take_over(job, undisturbed, tmp_path, wait=lambda _: time.sleep(SECONDS_UNTIL_STALE + 1))


def suspend_and_take_over(
    job: CheapJob, undisturbed: dict[str, str], tmp_path: Path, wait: Callable[[Path], None]
) -> None:
    (tmp_path / "count").mkdir()
    environment, run_dir = {FOLDER: str(tmp_path / "count")}, tmp_path / "run"
    first = Driver(job.command(run_dir), tmp_path / "first.txt", environment)
    try:
        assert first.wait_until(Watched(run_dir).tar_without_table())
        first.signal_all(signal.SIGSTOP)
        code, printed = run_to_end(job.command(run_dir), tmp_path / "refused.txt", environment)
        assert code == 2
        assert f"process {first.pid} on" in printed
        assert "is at work here" in printed
        wait(run_dir)
        code, printed = run_to_end(job.command(run_dir), tmp_path / "second.txt", environment)
        assert code == 0, printed
        assert results(run_dir) == undisturbed
        before = contents(run_dir)
    finally:
        tree = first.signal_all(signal.SIGCONT)
    assert first.wait() == 1
    assert "has taken over" in first.output.read_text().splitlines()[-1]
    assert not gone_within(tree, SECONDS_TO_DIE)
    assert contents(run_dir) == before
    assert orphans(run_dir) == []


def backdate_the_lease(run_dir: Path) -> None:
    """Make the driver's last sign of life as old as it would be after a minute."""
    (lease,) = (run_dir / "lease").glob("*.json")
    holder = json.loads(lease.read_text())
    lease.write_text(json.dumps({**holder, "beat": holder["beat"] - SECONDS_UNTIL_STALE}))


def contents(run_dir: Path) -> dict[str, bytes]:
    """All files but what a driver says of itself."""
    return {
        str(path.relative_to(run_dir)): path.read_bytes()
        for path in run_dir.rglob("*")
        if path.is_file() and path.relative_to(run_dir).parts[0] not in ("lease", "log")
    }
