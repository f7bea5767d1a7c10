"""A job of cheap stages that depend on ids alone, and how to compare what came of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.identity import unit_id
from manifests.schema import MANIFEST_SCHEMA

TESTS = Path(__file__).parents[1]
STAGE_FILES = (TESTS / "engine" / "cheap_stages.py", TESTS / "faults" / "counting_stages.py")


@dataclass(frozen=True)
class CheapJob:
    """A pipeline file and its manifest."""

    pipeline: Path
    manifest: Path

    @classmethod
    def write(cls, folder: Path, units: int, seconds_each: float = 0.0, slice_units: int = 16) -> CheapJob:
        """Write the job's files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [
            {
                "unit_id": unit_id(f"recording {n}", 0, 1),
                "recording_id": f"recording {n}",
                "uri": f"memory:{n}",
                "start": 0.0,
                "duration": 1.0,
                "licence": "CC0-1.0",
                "never_train": n % 50 == 0,
            }
            for n in range(units)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA), folder / "manifest.parquet")
        (folder / "cheap.yaml").write_text(
            "deterministic: true\n"
            f"stages: [count, {{tone: {{seconds_each: {seconds_each}}}}}, propose, halve, draw, judge]\n"
            "pack: {shard_megabytes: 0.5}\n"
            f"engine: {{slice_units: {slice_units}, micro_batch_units: 4}}\n"
        )
        return cls(folder / "cheap.yaml", folder / "manifest.parquet")

    def command(self, run_dir: Path | str, *more: str) -> list[str | Path]:
        """Arguments of the `dataengine run` that does the job."""
        sources = [argument for file in STAGE_FILES for argument in ("--stages", file)]
        return [
            *("run", self.pipeline, "--set", f"input={self.manifest}", "--run-dir", run_dir),
            *sources,
            *more,
        ]


def results(run_dir: Path) -> dict[str, str]:
    """Digests of all files of `samples/` and `shards/`."""
    files = [path for folder in ("samples", "shards") for path in (run_dir / folder).rglob("*")]
    return {str(path.relative_to(run_dir)): _digest(path) for path in sorted(files) if path.is_file()}


def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes()).hexdigest()


def orphans(run_dir: Path) -> list[str]:
    """Files of a finished run that nothing names: unpublished ones, and tars of parts that have no rows there."""
    parts = list((run_dir / "parts").rglob("*.parquet"))
    named = {tar for part in parts for tar in pq.read_table(part).column("part_tar").to_pylist() if tar}
    tars = {str(path.relative_to(run_dir)) for path in (run_dir / "parts").rglob("*.tar")}
    folders = (
        "parts",
        "compacted",
        "samples",
        "shards",
    )  # elsewhere a later finish removes them, once they are old
    left = [path for folder in folders for path in (run_dir / folder).rglob("*.incomplete")]
    unpublished = {str(path.relative_to(run_dir)) for path in left}
    missing = {f"missing: {tar}" for tar in named - tars}
    return sorted((tars - named) | unpublished | missing)
