"""How long it takes to decide anew over the stored scores of many rows, and to write the selection.

    python benchmarks/selection.py [--rows 10000000] [--folder FOLDER]

A run with drawn scores is finished first. The decision reads the samples table, holds it against eight criteria, two
of them conditional, and notes for each row which it fails. The baseline is one DuckDB query with the same comparisons
that counts what passes. Goal: a decision over ten million rows in under 10 s.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from synthetic_run import SCORES, make_run, peak_gigabytes

from dataengine.engine.database import database, view_tables
from dataengine.engine.finish import finish
from dataengine.engine.settings import PackSettings
from dataengine.engine.shard_writers import writers_here
from dataengine.engine.storage import Storage
from dataengine.selection import VERDICT_SCHEMA, decide_anew, select
from stages.criteria import load_filter_file

THRESHOLD = 0.45
CRITERIA = 8


def write_filters(path: Path) -> None:
    """Eight criteria that one row in a hundred passes."""
    conditions = {1: ", when: speech_prompt", 2: ", when: not speech_prompt"}
    lines = [
        f"  - {{score: {name}, above: {THRESHOLD}{conditions.get(number, '')}}}"
        for number, name in enumerate(SCORES[:CRITERIA])
    ]
    path.write_text("\n".join(["criteria:", *lines]) + "\n")


def bare_query(storage: Storage, samples: tuple[str, ...]) -> tuple[float, int]:
    """Seconds that DuckDB takes to count what passes, and how many that are."""
    conditions = [f"score_{n} > {THRESHOLD}::FLOAT" for n in range(CRITERIA)]
    conditions[1] = f"({conditions[1]} OR NOT speech_prompt)"
    conditions[2] = f"({conditions[2]} OR speech_prompt)"
    started = time.perf_counter()
    with database() as connection:
        view_tables(connection, "samples", storage, samples)
        ((passed,),) = connection.execute(
            f"SELECT count(*) FROM samples WHERE status = 'done' AND kind <> 'unit' AND {' AND '.join(conditions)}"
        ).fetchall()
    return time.perf_counter() - started, passed


def main() -> None:
    """Make the run, decide, compare, select."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="Where to work; default: the system's temporary folder.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary) / "run"
        job = make_run(folder, options.rows, rows_a_part=2_000)
        results = finish(
            job, -(-options.rows // 2_000), PackSettings(), writers_here, lambda *_: None, lambda: None
        ).results
        filter_file = Path(temporary) / "filters.yaml"
        write_filters(filter_file)

        bare, passed = bare_query(job.storage, results.samples)
        started = time.perf_counter()
        with pq.ParquetWriter(folder / "verdicts.parquet", VERDICT_SCHEMA, compression="lz4") as writer:
            tally = decide_anew(
                job.storage, results.samples, load_filter_file(str(filter_file)), writer.write_table
            )
        decided = time.perf_counter() - started
        assert tally.kept + tally.no_audio == passed
        started = time.perf_counter()
        select(folder, filter_file)
        selected = time.perf_counter() - started
    print(
        f"{options.rows:,} rows: decided in {decided:.1f} s, a bare query {bare:.1f} s, ratio {bare / decided:.2f}; "
        f"whole selection {selected:.1f} s; peak of memory {peak_gigabytes():.2f} GB"
    )


if __name__ == "__main__":
    main()
