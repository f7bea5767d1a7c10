"""Real recordings for the tests: fetched once, kept in `data/` inside the repository (git-ignored)."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import webdataset
from hypothesis import HealthCheck, settings

from dataengine.engine.cluster import ClusterSize, cluster
from manifests.catalogue.demo import build_demo
from manifests.catalogue.fetch import fetch
from manifests.catalogue.recordings import Clip, all_clips, clips_of
from manifests.media import Waveform, encode_stems, open_recording

DATA = Path(__file__).resolve().parents[1] / "data"
RECORDINGS = DATA / "recordings"


@dataclass(frozen=True)
class LabelledClip:
    """A clip of the catalogue, decoded: mono, float32, at its own rate."""

    waveform: Waveform
    sample_rate: int
    clip: Clip
    """What it is: label, category, speaker, gender, …"""


CatalogueClips = Callable[..., list[LabelledClip]]
MadeOnce = Callable[[str, Callable[[Path], None]], Path]


# No test measures time, so none fails because the machine is busy.
settings.register_profile("dataengine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dataengine")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """`made_once(name, make)`: a folder that `make(folder)` has filled, once for all processes that run tests.

    Tests must not write into it.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that failed at it
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[ClusterSize]:
    """Ray for the tests of a module: runs in this process use it, and need not start it each."""
    with cluster(None, sys.stderr) as size:
        yield size


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of the clips of pool, calibrate, gate and final, unpacked."""
    fetch([clip for clip in all_clips() if clip.split != "seed"], RECORDINGS)
    return RECORDINGS


@pytest.fixture(scope="session")
def demo_directory(recordings: Path) -> Path:
    """Demo data with 30 scenes of each of pool, calibrate and gate; laid out as in data/demo."""
    directory = DATA / "test-demo"
    build_demo(directory, {"pool": 30, "calibrate": 30, "gate": 30}, recordings=recordings)
    return directory


@pytest.fixture(scope="session")
def catalogue_clips() -> CatalogueClips:
    """A function that gives real clips with their labels.

    `catalogue_clips(split, category=…, label=…, gender=…, min_seconds=…, count=…)`: those that fit, taken
    evenly from the catalogue's order.
    """

    def clips(
        split: str,
        *,
        category: str | None = None,
        label: str | None = None,
        gender: str | None = None,
        min_seconds: float = 0.0,
        count: int | None = None,
    ) -> list[LabelledClip]:
        fitting = [
            clip
            for clip in clips_of(split)
            if category in (None, clip.category)
            and label in (None, clip.label)
            and gender in (None, clip.gender)
            and clip.seconds >= min_seconds
        ]
        if count is not None and count < len(fitting):
            fitting = [fitting[i * len(fitting) // count] for i in range(count)]
        fetch(fitting, RECORDINGS)
        return [_decoded(clip) for clip in fitting]

    return clips


@pytest.fixture(scope="session")
def recording_shards(tmp_path_factory: pytest.TempPathFactory, catalogue_clips: CatalogueClips) -> Path:
    """A folder with a shard of six recordings."""
    folder = tmp_path_factory.mktemp("recordings")
    clips = [
        *catalogue_clips("calibrate", category="speech", min_seconds=1.5, count=2),
        *catalogue_clips("calibrate", category="sound", min_seconds=1.5, count=4),
    ]
    with webdataset.TarWriter(str(folder / "shard-000000-of-000001.tar")) as writer:
        for number, clip in enumerate(clips):
            waveform = np.asarray(clip.waveform[: 2 * clip.sample_rate], dtype=np.float32)
            stems = encode_stems(waveform, waveform, np.zeros_like(waveform), sample_rate=clip.sample_rate)
            notes = json.dumps({"text": f"sound {number}"}).encode()
            writer.write({"__key__": f"clip{number}", **dict(stems.members()), "json": notes})
    return folder


def _decoded(clip: Clip) -> LabelledClip:
    with open_recording(str(RECORDINGS / clip.name)) as recording:
        rate = recording.info.sample_rate
        return LabelledClip(recording.read(0.0, recording.info.duration, rate), rate, clip)
