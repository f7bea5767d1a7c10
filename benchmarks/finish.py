"""How long it takes to finish a run of many rows, and in how much memory.

    python benchmarks/finish.py [--rows 1000000 10000000] [--rows-a-part 2000] [--folder FOLDER]

Parts with drawn scores become the samples table and shards; hardly any audio is copied, so this is the cost of
rows alone. Each size runs in a process of its own. The baseline is DuckDB, which sorts the same rows by the same
key and writes them with the same codec. Printed are rows a second, the ratio of the two, and the peak of memory,
which should not grow with the rows.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

from synthetic_run import make_run, peak_gigabytes

from dataengine.engine.database import database
from dataengine.engine.finish import finish
from dataengine.engine.settings import PackSettings
from dataengine.engine.shard_writers import writers_here


def finish_seconds(folder: Path, rows: int, rows_a_part: int) -> tuple[float, float]:
    """Seconds and the peak of memory in GB."""
    job = make_run(folder, rows, rows_a_part)
    before = peak_gigabytes()
    started = time.perf_counter()
    finish(job, -(-rows // rows_a_part), PackSettings(), writers_here, lambda *_: None, lambda: None)
    seconds = time.perf_counter() - started
    print(
        f"{rows:,} rows: peak of memory {peak_gigabytes():.2f} GB, {before:.2f} GB of it before", flush=True
    )
    return seconds, peak_gigabytes()


def bare_seconds(folder: Path) -> float:
    """Seconds of DuckDB alone on the same parts."""
    started = time.perf_counter()
    with database() as connection:
        connection.execute(
            f"COPY (SELECT * EXCLUDE (slice) FROM read_parquet('{folder}/parts/*/*.parquet') ORDER BY sample_id) "
            f"TO '{folder}/sorted.parquet' (COMPRESSION zstd)"
        )
    return time.perf_counter() - started


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rows-a-part", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, help="Where to work; default: the system's temporary folder.")
    options = parser.parse_args()
    for rows in options.rows:
        with (
            tempfile.TemporaryDirectory(dir=options.folder) as temporary,
            get_context("spawn").Pool(1) as alone,
        ):
            folder = Path(temporary) / "run"
            seconds, _ = alone.apply(finish_seconds, (folder, rows, options.rows_a_part))
            shutil.rmtree(folder / "samples")
            bare = get_context("spawn").Pool(1).apply(bare_seconds, (folder,))
        print(
            f"{rows:,} rows: finished in {seconds:.1f} s ({rows / seconds:,.0f} rows/s), DuckDB alone {bare:.1f} s, "
            f"ratio {bare / seconds:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
