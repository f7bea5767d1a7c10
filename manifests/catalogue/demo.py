"""The demo data: scenes on disk, what a pipeline may know of them, and the truth beside them.

    <directory>/<split>/<scene>.flac              what a pipeline reads: 24 bit, mono, 44.1 kHz
    <directory>/<split>.csv                       file_name and licence, for `dataengine index --metadata`
    <directory>/truth/<split>.parquet             the truth: a row for each source of each scene
    <directory>/truth/<split>/<scene>.<n>.flac    the stem of source n; a scene is the sum of its stems

Nothing outside `truth/` says what a scene holds.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.errors import UserError
from manifests.catalogue.audio import SCENE_RATE
from manifests.catalogue.drawing import REAL_MIXTURE, SCENE_TYPES
from manifests.catalogue.fetch import fetch
from manifests.catalogue.recordings import SPLITS, clips_of
from manifests.catalogue.scenes import Scene, Source, Steps, as_waveform, build_scene
from manifests.identity import digest_of_ids, stable_hash
from manifests.lock import sole_writer
from manifests.media import encode_flac
from manifests.progress import Progress
from manifests.schema import SPANS

DEFAULT_COUNTS: Mapping[str, int] = {"pool": 440, "calibrate": 400, "gate": 100}
"""Scenes a split: more than 400 for the demo's run, as many to choose thresholds on, some to look at them."""

SCENES_VERSION = "1"
"""Raised when the same number gives another scene than before."""

TRUTH_SCHEMA = pa.schema(
    [
        pa.field("scene", pa.string(), nullable=False),  # file name in <split>/
        pa.field("number", pa.int32(), nullable=False),
        pa.field("scene_type", pa.string(), nullable=False),
        pa.field("duration", pa.float64(), nullable=False),  # seconds
        pa.field("band", pa.int32(), nullable=False),  # Hz; nothing lies above
        pa.field("source", pa.int8(), nullable=False),  # 0 is the first
        pa.field("label", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("speaker", pa.string()),
        pa.field("gender", pa.string()),  # f, m; f?, m? where guessed from the voice
        pa.field("language", pa.string()),
        pa.field("clips", pa.list_(pa.string()), nullable=False),  # package/path, one for each of `spans`
        pa.field("spans", SPANS, nullable=False),  # where the clips stand
        pa.field("start", pa.float64(), nullable=False),  # seconds
        pa.field("end", pa.float64(), nullable=False),
        pa.field("level_db", pa.float32(), nullable=False),  # dBFS, RMS where it sounds
        pa.field("licence", pa.string(), nullable=False),
        pa.field("stem", pa.string()),  # relative to truth/; null: what the recording holds is not known
    ]
)

_SCENES_PER_TASK = 8
_FINGERPRINT = b"dataengine.scenes"


@dataclass(frozen=True)
class DemoSplit:
    """Where the demo data of one split lies."""

    directory: Path
    split: str
    count: int
    """Number of scenes."""
    types: tuple[str, ...] = SCENE_TYPES
    """Of consecutive scenes."""

    @property
    def scenes(self) -> Path:
        """The folder of scenes."""
        return self.directory / self.split

    @property
    def metadata(self) -> Path:
        """What a pipeline may know of each scene."""
        return self.directory / f"{self.split}.csv"

    @property
    def truth(self) -> Path:
        """What each scene holds."""
        return self.directory / "truth" / f"{self.split}.parquet"

    @property
    def stems(self) -> Path:
        """The folder of stems."""
        return self.directory / "truth" / self.split


def make_demo_data(
    directory: Path,
    *,
    splits: tuple[str, ...] = (),
    count: int | None = None,
    seed: int = 0,
    recordings: Path | None = None,
    workers: int | None = None,
) -> list[DemoSplit]:
    """Fetch what the splits need and build their scenes; what is there already is left alone.

    Without `splits` those of `DEFAULT_COUNTS`; without `count` the counts given there, or 100 for another
    split. Downloaded clips go to `recordings`, by default a folder of that name beside `directory`.
    Raises UserError for an unknown split, and where a package cannot be fetched.
    """
    chosen = splits or tuple(DEFAULT_COUNTS)
    counts = {split: count if count is not None else DEFAULT_COUNTS.get(split, 100) for split in chosen}
    return build_demo(directory, counts, seed=seed, recordings=recordings, workers=workers)


def build_demo(
    directory: Path,
    counts: Mapping[str, int],
    *,
    seed: int = 0,
    recordings: Path | None = None,
    workers: int | None = None,
    types: tuple[str, ...] = SCENE_TYPES,
) -> list[DemoSplit]:
    """Scenes 0 to `counts[split]` of each split, as the module describes; `workers` processes, by default one a CPU.

    `types` are those of consecutive scenes. A split whose truth table says that it was built so already is left
    alone.
    """
    for split in counts:
        if split not in SPLITS:
            raise UserError(f"there is no split {split!r}; the catalogue has {', '.join(SPLITS)}")
    folder = (recordings or directory.parent / "recordings").resolve()
    demos = [DemoSplit(directory, split, count, types) for split, count in counts.items()]
    with sole_writer(directory):
        stale = [demo for demo in demos if not _is_built(demo, seed)]
        fetch((clip for demo in stale for clip in clips_of(demo.split)), folder)
        for demo in stale:
            _build_split(demo, seed, folder, workers or os.cpu_count() or 1)
    return demos


def _build_split(demo: DemoSplit, seed: int, recordings: Path, workers: int) -> None:
    demo.truth.unlink(missing_ok=True)  # its return says that everything else is there
    for folder in (demo.scenes, demo.stems):
        folder.mkdir(parents=True, exist_ok=True)
        for scene in folder.glob(f"{demo.split}-*.flac"):
            scene.unlink()
    rows = []
    with Progress(f"Building scenes of {demo.split}", total=demo.count, unit="scenes") as progress:
        for done, scene_rows in enumerate(_scene_rows(demo, seed, recordings, workers), start=1):
            rows.extend(scene_rows)
            progress.update(done)
    _write_metadata(demo, rows)
    fingerprint = {_FINGERPRINT: _fingerprint(demo, seed).encode()}
    pq.write_table(pa.Table.from_pylist(rows, TRUTH_SCHEMA.with_metadata(fingerprint)), demo.truth)


def _scene_rows(demo: DemoSplit, seed: int, recordings: Path, workers: int) -> Iterator[list[dict[str, Any]]]:
    write = partial(_write_scene, demo, seed, recordings)
    if workers == 1 or demo.count <= 2 * _SCENES_PER_TASK:
        yield from map(write, range(demo.count))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(write, range(demo.count), chunksize=_SCENES_PER_TASK)


def _write_scene(demo: DemoSplit, seed: int, recordings: Path, number: int) -> list[dict[str, Any]]:
    """Write a scene and its stems; returns its rows of the truth table."""
    scene = build_scene(demo.split, number, seed=seed, recordings=recordings, types=demo.types)
    _write_flac(demo.scenes / f"{scene.name}.flac", scene.mixture)
    stems: list[str | None] = [None]
    if scene.type != REAL_MIXTURE:
        stems = [f"{scene.split}/{scene.name}.{i}.flac" for i in range(len(scene.sources))]
    for stem, source in zip(stems, scene.sources, strict=True):
        if stem is not None:
            _write_flac(demo.stems.parent / stem, source.stem)
    return [_row(scene, i, source, stems[i]) for i, source in enumerate(scene.sources)]


def _row(scene: Scene, index: int, source: Source, stem: str | None) -> dict[str, Any]:
    clip = source.clip
    licences = sorted({piece.clip.licence for piece in source.pieces})
    return {
        "scene": f"{scene.name}.flac",
        "number": scene.number,
        "scene_type": scene.type,
        "duration": len(scene.mixture) / SCENE_RATE,
        "band": scene.band,
        "source": index,
        "label": clip.label,
        "category": clip.category,
        "speaker": clip.speaker or None,
        "gender": clip.gender or None,
        "language": clip.language or None,
        "clips": [piece.clip.name for piece in source.pieces],
        "spans": [{"start": piece.start, "end": piece.end} for piece in source.pieces],
        "start": source.pieces[0].start,
        "end": source.pieces[-1].end,
        "level_db": source.level_db,
        "licence": " AND ".join(licences),
        "stem": stem,
    }


def _write_flac(path: Path, steps: Steps) -> None:
    path.write_bytes(encode_flac(as_waveform(steps), SCENE_RATE))


def _write_metadata(demo: DemoSplit, rows: list[dict[str, Any]]) -> None:
    licences: dict[str, set[str]] = {}
    for row in rows:
        licences.setdefault(row["scene"], set()).update(row["licence"].split(" AND "))
    with demo.metadata.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file_name", "licence"])
        writer.writerows([scene, " AND ".join(sorted(each))] for scene, each in sorted(licences.items()))


def _fingerprint(demo: DemoSplit, seed: int) -> str:
    """What the scenes of a split follow from."""
    catalogue = digest_of_ids(f"{clip.name} {clip.sha256}" for clip in clips_of(demo.split))
    types = () if demo.types == SCENE_TYPES else demo.types
    return stable_hash(SCENES_VERSION, catalogue, str(demo.count), str(seed), *types)


def _is_built(demo: DemoSplit, seed: int) -> bool:
    if not demo.truth.exists():
        return False
    metadata = pq.read_schema(demo.truth).metadata or {}
    return bool(metadata.get(_FINGERPRINT) == _fingerprint(demo, seed).encode())
