"""How fast shards are written, against `cp` of the same bytes.

    python benchmarks/pack.py [--samples 6000] [--kilobytes 300] [--repeats 3] [--folder FOLDER]

A run's parts hold the samples' audio; packing copies it, shuffled, into shards, with a JSON for each sample. `cp`
copies the tars of the parts as they lie and is followed by `sync` of what it wrote, as every shard is. Both read
what has just been written, so from memory, and both write to the same disk. Goal: at least 0.7 of the speed of `cp`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
from synthetic_run import MODELS, SCHEMA, SCORES

from dataengine.engine.database import database
from dataengine.engine.result_files import write_results
from dataengine.engine.results import Place
from dataengine.engine.settings import PackSettings
from dataengine.engine.shard_writers import writers_here
from dataengine.engine.shards import SampleNotes
from dataengine.engine.stems import tar_member
from dataengine.engine.storage import Storage
from manifests.identity import stable_hash
from manifests.schema import MANIFEST_SCHEMA

SAMPLES_A_PART = 64


def make_parts(folder: Path, samples: int, sample_bytes: int) -> pa.Table:
    """Tars as slices leave them; returns the rows that name them."""
    rng = np.random.default_rng(0)
    noise = rng.bytes(4 * sample_bytes)
    rows = []
    (folder / "parts").mkdir(parents=True)
    for number in range(-(-samples // SAMPLES_A_PART)):
        tar = f"parts/{number:08d}.tar"
        with (folder / tar).open("wb") as sink:
            for _ in range(min(SAMPLES_A_PART, samples - len(rows))):
                sample, start = stable_hash(str(len(rows))), sink.tell()
                for stem in ("mix", "target", "residual"):
                    offset = int(rng.integers(0, 3 * sample_bytes))
                    sink.write(
                        tar_member(f"{sample}.{stem}.flac", noise[offset : offset + sample_bytes // 3])
                    )
                rows.append(_row(sample, tar, start, sink.tell() - start, rng))
    return pa.Table.from_pylist(rows, SCHEMA)


def _row(sample: str, tar: str, start: int, length: int, rng: np.random.Generator) -> dict[str, object]:
    return {
        **dict.fromkeys(("sample_id", "unit_id", "recording_id", "key"), sample),
        **dict(zip(SCORES, rng.random(len(SCORES)).tolist(), strict=True)),
        "uri": f"s3://recordings/{sample}.flac",
        "start": 0.0,
        "duration": 10.0,
        "licence": "CC-BY-4.0",
        "kind": "text",
        "text": "a dog barking",
        "text_source": "tagger",
        "text_confidence": 0.9,
        "spans": [{"start": 1.0, "end": 2.5}],
        "event_type": "spiky",
        "gain": 1.0,
        "models": MODELS,
        "kept": True,
        "retained": True,
        "status": "done",
        "pipeline_digest": "0" * 32,
        "shard": tar,
        "part_tar": tar,
        "audio_offset": start,
        "audio_bytes": length,
    }


def pack_seconds(folder: Path, rows: pa.Table) -> float:
    """Seconds to write the shards and the samples table of the same rows."""
    place = Place(Storage.at(folder), "packed", "packed/finish.json", lambda: None)
    notes = SampleNotes.of(SCHEMA, MANIFEST_SCHEMA, 16_000)
    with database() as connection:
        connection.register("rows", rows)
        started = time.perf_counter()
        write_results(
            connection, place, "0" * 32, 1, PackSettings(), SCHEMA, notes, writers_here, lambda *_: None
        )
        seconds = time.perf_counter() - started
    shutil.rmtree(folder / "packed")
    return seconds


def copy_seconds(folder: Path) -> float:
    """Seconds that `cp` takes for the tars, until they are on disk."""
    started = time.perf_counter()
    subprocess.run(["cp", "-r", folder / "parts", folder / "copied"], check=True)
    subprocess.run(["sync", *(folder / "copied").iterdir()], check=True)
    seconds = time.perf_counter() - started
    shutil.rmtree(folder / "copied")
    return seconds


def main() -> None:
    """Measure in turn, so that both meet the same machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=6_000)
    parser.add_argument("--kilobytes", type=int, default=300, help="Audio of a sample.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="Where to work; default: the system's temporary folder.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        rows = make_parts(folder, options.samples, options.kilobytes * 1000)
        megabytes = sum(path.stat().st_size for path in (folder / "parts").iterdir()) / 1e6
        os.sync()
        times = [(copy_seconds(folder), pack_seconds(folder, rows)) for _ in range(options.repeats)]
    for copied, packed in times:
        print(
            f"cp {megabytes / copied:,.0f} MB/s, packing {megabytes / packed:,.0f} MB/s, ratio {copied / packed:.2f}"
        )
    ratio = median(copied / packed for copied, packed in times)
    print(f"median ratio {ratio:.2f} on {options.samples:,} samples, {megabytes:,.0f} MB")


if __name__ == "__main__":
    main()
