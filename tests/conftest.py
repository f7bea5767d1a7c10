"""Real recordings for the tests: fetched once, kept in `data/` inside the repository (git-ignored)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import webdataset
from hypothesis import HealthCheck, settings

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


# No test measures time, so none fails because the machine is busy.
settings.register_profile("dataengine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dataengine")


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
