"""How fast `dataengine index` is against a bare loop that only probes, both on all cores.

    python benchmarks/index.py [--files 10000] [--repeats 3]

The loop opens each file and reads its facts; indexing also hashes its content, groups copies, cuts
windows and writes the manifest. Goal: at least 0.8 of the loop's rate.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

from manifests.indexing import index
from manifests.media import probe
from manifests.supervised import FILES_A_TASK

FORMATS = ("wav", "flac", "ogg", "mp3")
RATE = 16_000


def make_files(folder: Path, count: int) -> list[str]:
    """Small files, 1 to 4 s long, no two alike, a quarter in each format."""
    noise = np.random.default_rng(0).standard_normal(8 * RATE).astype(np.float32) * 0.1
    paths = []
    for number in range(count):
        path = folder / f"{number:06d}.{FORMATS[number % len(FORMATS)]}"
        start = number % (4 * RATE)
        soundfile.write(path, noise[start : start + RATE + number * 7919 % (3 * RATE)], RATE)
        paths.append(str(path))
    return paths


def bare_rate(paths: list[str]) -> float:
    """Files a second of nothing but probing."""
    context = multiprocessing.get_context("forkserver")
    started = time.perf_counter()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        for _ in pool.map(probe, paths, chunksize=FILES_A_TASK):
            pass
    return len(paths) / (time.perf_counter() - started)


def index_rate(folder: Path) -> float:
    """Files a second from a folder to its manifest."""
    started = time.perf_counter()
    summary = index([str(folder)], str(folder.with_suffix(".parquet")))
    assert not summary.unreadable, summary.unreadable
    return summary.files / (time.perf_counter() - started)


def main() -> None:
    """Measure in turn, so that both meet the same machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "recordings"
        folder.mkdir()
        paths = make_files(folder, options.files)
        rates = [(bare_rate(paths), index_rate(folder)) for _ in range(options.repeats)]
    for bare, indexed in rates:
        print(f"bare loop {bare:,.0f} files/s, index {indexed:,.0f} files/s, ratio {indexed / bare:.2f}")
    print(f"median ratio {median(indexed / bare for bare, indexed in rates):.2f} on {options.files:,} files")


if __name__ == "__main__":
    main()
