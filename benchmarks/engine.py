"""What the engine costs beyond the work itself, against the bare loop and its peers.

    python benchmarks/engine.py [--items 6000 30000] [--only bare dataengine daft] [--repeats 1]

Every contestant decodes 10-s clips of real recordings, masks them in the frequency domain, scores them and
encodes them as FLAC, by the same four functions (engine_work.py), on two workers; encoded clips end in tars,
scores in a table. Peers are installed by this program, each into an environment of its own. Processor
time is that of all processes a contestant starts (process_tree.py), its cluster and its import of libraries
included; the start is also given apart. Goals at 30,000 clips: processor time at most 1.10 of the bare loop (1.20 at
6,000), wall time at most 1.15 of two bare processes, ahead of every peer.

dataengine does more with a clip than the others do: it flushes parts to disk, packs them into shuffled shards
with a JSON a sample, and writes a full table of samples.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from engine_work import CLIPS_A_BATCH, CLIPS_A_TASK, SAMPLE_RATE, SECONDS, WORKERS, clip_paths
from process_tree import measure

from manifests.identity import stable_hash, unit_id
from manifests.media import encode_flac, probe, read_window
from manifests.schema import MANIFEST_SCHEMA

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "build" / "benchmarks"
ALIKE = ("soundfile==0.14.0", "av==18.1.0")
"""What engine_work.py needs: the same libsndfile for all."""

BARE, TWO_BARE, DATAENGINE = "bare loop", "two bare loops", "dataengine"


@dataclass(frozen=True)
class Peer:
    """A library that one could write the same job with."""

    program: str
    package: str


PEERS = {
    "Ray Data": Peer("with_ray_data.py", "ray[data]==2.60.0"),
    "Daft": Peer("with_daft.py", "daft==0.7.26"),
    "datatrove": Peer("with_datatrove.py", "datatrove[io]==0.10.1"),
    "data-juicer": Peer("with_data_juicer.py", "py-data-juicer==1.6.1 aiohttp"),
}
NAMES = (BARE, TWO_BARE, DATAENGINE, *PEERS)

ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DAFT_ANALYTICS_ENABLED": "0",
}


@dataclass(frozen=True)
class Result:
    """What one contestant took for so many clips."""

    name: str
    scores: np.ndarray[Any, np.dtype[np.float64]]
    seconds: float
    cpu_seconds: float
    start_seconds: float
    start_cpu_seconds: float

    @property
    def clips(self) -> int:
        """How many were scored."""
        return len(self.scores)

    @property
    def cpu_milliseconds(self) -> float:
        """A clip, everything included."""
        return 1000 * self.cpu_seconds / self.clips


def make_clips(recordings: Path, count: int) -> Path:
    """A folder of `count` 10-s clips: those of the recordings, again and again under other names."""
    folder = FOLDER / "clips"
    originals = FOLDER / "originals"
    if not originals.exists():
        temporary = originals.with_suffix(".incomplete")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for path in sorted(recordings.glob("*.flac")):
            if probe(str(path)).duration >= SECONDS:
                clip = encode_flac(read_window(str(path), 0, SECONDS, SAMPLE_RATE), SAMPLE_RATE)
                (temporary / path.name).write_bytes(clip)
        temporary.rename(originals)
    folder.mkdir(exist_ok=True)
    sources = sorted(originals.iterdir())
    if not sources:
        raise SystemExit(f"no recordings in {recordings}; make them with `make demo`")
    for number in range(len(list(folder.iterdir())), count):
        os.link(sources[number % len(sources)], folder / f"{number:06d}.flac")
    return folder


def environment_of(name: str) -> str:
    """The Python of a peer's environment, installed if it is not there."""
    folder = FOLDER / "environments" / f"{name.lower().replace(' ', '-')}"
    python, done = folder / "bin" / "python", folder / "installed"
    wanted = " ".join((PEERS[name].package, *ALIKE))
    if not done.exists() or done.read_text() != wanted:
        print(f"installing {PEERS[name].package}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted.split()], check=True)
        done.write_text(wanted)
    return str(python)


def command_of(name: str, clips: Path, count: int, output: Path) -> list[str]:
    """What starts a contestant."""
    arguments = [str(clips), str(count), str(output)]
    if name in (BARE, TWO_BARE):
        return [
            sys.executable,
            str(HERE / "contestants/bare_loop.py"),
            *arguments,
            str(1 + (name == TWO_BARE)),
        ]
    if name in PEERS:
        return [environment_of(name), str(HERE / "contestants" / PEERS[name].program), *arguments]
    pipeline = write_pipeline(clips, count)
    stages = str(HERE / "contestants/dataengine_stages.py")
    program = str(Path(sys.executable).with_name("dataengine"))
    return [program, "run", str(pipeline), "--stages", stages, "--run-dir", str(output)]


def write_pipeline(clips: Path, count: int) -> Path:
    """A manifest of the clips, and a pipeline file that reads it."""
    ids = [stable_hash("clip", str(number)) for number in range(count)]
    columns = {
        "unit_id": [unit_id(recording, 0, SECONDS) for recording in ids],
        "recording_id": ids,
        "uri": clip_paths(clips, count),
        "start": [0.0] * count,
        "duration": [float(SECONDS)] * count,
    }
    known = {name: columns.get(name, [None] * count) for name in MANIFEST_SCHEMA.names}
    pq.write_table(pa.table(known, schema=MANIFEST_SCHEMA), FOLDER / "clips.parquet")
    pipeline = FOLDER / "clips.yaml"
    pipeline.write_text(
        f"input: {FOLDER / 'clips.parquet'}\n"
        "stages: [decode_clip, mask_clip, score_clip]\n"
        f"engine: {{slice_units: {CLIPS_A_TASK}, micro_batch_units: {CLIPS_A_BATCH}, workers: {WORKERS}}}\n"
    )
    return pipeline


def run(name: str, clips: Path, count: int) -> Result:
    """Measure one contestant."""
    output = FOLDER / "output"
    shutil.rmtree(output, ignore_errors=True)
    command = command_of(name, clips, count, output)
    measured = measure(command, FOLDER / "logs" / f"{name}.txt".replace(" ", "-"), ENVIRONMENT)
    ready = _ready(output)
    tables = output / "samples" if name == DATAENGINE else output
    found = sorted(map(str, tables.rglob("*.parquet")))
    scores = np.sort(pads.dataset(found).to_table(["score"]).column("score").to_numpy())
    shutil.rmtree(output)
    return Result(
        name,
        scores,
        measured.seconds,
        measured.cpu_seconds,
        ready - measured.started,
        measured.cpu_seconds_until(ready),
    )


def check_scores(results: Sequence[Result]) -> None:
    """Refuse to compare contestants that did not do the same."""
    for result in results:
        if not np.allclose(result.scores, results[0].scores, atol=1e-3):
            raise SystemExit(
                f"{result.name} scored {len(result.scores)} clips otherwise than {results[0].name}"
            )


def _ready(output: Path) -> float:
    """When a contestant began to work, in Unix time."""
    if (ready := output / "ready").exists():
        return float(ready.read_text())
    return float(json.loads((output / "log/drivers/00001.json").read_text())["started"])


def table(results: Sequence[Result]) -> str:
    """A line a contestant: what it took, and how often that of the bare loop."""
    by_name = {result.name: result for result in results}
    bare, two = by_name.get(BARE), by_name.get(TWO_BARE)
    lines = [
        f"{results[0].clips:,} clips",
        f"{'':16} {'start s':>8} {'CPU s':>7} {'wall s':>8} "
        f"{'CPU ms/clip':>12} {'CPU ÷ bare':>11} {'wall ÷ two bare':>16}",
    ]
    for result in results:
        cpu = f"{result.cpu_seconds / bare.cpu_seconds:.2f}" if bare else "–"
        wall = f"{result.seconds / two.seconds:.2f}" if two else "–"
        lines.append(
            f"{result.name:16} {result.start_seconds:8.1f} {result.start_cpu_seconds:7.1f} {result.seconds:8.1f} "
            f"{result.cpu_milliseconds:12.2f} {cpu:>11} {wall:>16}"
        )
    return "\n".join(lines)


def marginal(fewer: Sequence[Result], more: Sequence[Result]) -> str:
    """What each further clip costs, without starts."""
    lines = ["CPU ms for each further clip"]
    costs: dict[str, float] = {}
    for less, much in zip(fewer, more, strict=True):
        costs[less.name] = 1000 * (much.cpu_seconds - less.cpu_seconds) / (much.clips - less.clips)
        ratio = f"{costs[less.name] / costs[BARE]:6.2f}" if BARE in costs else ""
        lines.append(f"{less.name:16} {costs[less.name]:8.2f} {ratio}")
    return "\n".join(lines)


def main() -> None:
    """Measure in turn, so that all meet the same machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="+", default=[6_000, 30_000], help="numbers of clips")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES)
    )
    parser.add_argument("--repeats", type=int, default=1, help="the cheapest of so many counts")
    parser.add_argument("--recordings", type=Path, default=Path("data/demo/pool"))
    options = parser.parse_args()
    clips = make_clips(options.recordings, max(options.items))
    for name in set(options.only) & set(PEERS):
        environment_of(name)
    found: list[list[Result]] = []
    for count in sorted(options.items):
        repeats = [[run(name, clips, count) for name in options.only] for _ in range(options.repeats)]
        check_scores([result for results in repeats for result in results])
        found.append(
            [min(same, key=lambda result: result.cpu_seconds) for same in zip(*repeats, strict=True)]
        )
        print(table(found[-1]), flush=True)
    if len(found) > 1:
        print(marginal(found[0], found[-1]))


if __name__ == "__main__":
    main()
