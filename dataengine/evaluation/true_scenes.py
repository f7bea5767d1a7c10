"""Scenes and what sounds in each, with the stem of each source where that is known, as `demo-data` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.errors import UserError
from dataengine.models.adapter import digest_of_files
from dataengine.models.roles import Waveform
from manifests.identity import stable_hash
from manifests.media import read_window

_TRUTH_COLUMNS = (
    "scene",
    "scene_type",
    "duration",
    "source",
    "label",
    "category",
    "clips",
    "spans",
    "stem",
)


@dataclass(frozen=True)
class TrueSource:
    """One thing that sounds in a scene."""

    label: str
    category: str
    """speech, sound, instrument or music."""
    spans: tuple[tuple[float, float], ...]
    """Seconds of the scene in which its clips stand."""
    stem: Path | None
    """Its audio; None where nobody knows what the recording holds."""


@dataclass(frozen=True)
class TrueScene:
    """What a scene holds."""

    name: str
    """Of its file."""
    type: str
    seconds: float
    sources: tuple[TrueSource, ...]
    clips: tuple[str, ...]
    """Clips that make up at least half of a source: two scenes that share one are no independent evidence."""
    start: float = 0.0
    """Where in its files it begins, seconds."""
    recording: Path | None = None
    """Its mixture; None where that is the sum of its stems."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Of its sources."""
        return tuple(source.label for source in self.sources)

    @cached_property
    def digest(self) -> str:
        """Hash of what is heard in it, and of its labels."""
        stems = tuple(source.stem for source in self.sources if source.stem is not None)
        files = stems if self.recording is None else (*stems, self.recording)
        excerpt = (str(self.start), str(self.seconds)) if self.start else ()
        return stable_hash(self.name, *self.labels, digest_of_files(files), *excerpt)

    @property
    def known(self) -> bool:
        """Whether every source has a stem."""
        return all(source.stem is not None for source in self.sources)

    def stems(self, start: float, seconds: float, sample_rate: int) -> list[Waveform]:
        """Each source's audio in a window of the scene, mono [samples]; the scene is their sum.

        Raises ValueError for a scene that is not `known`.
        """
        if not self.known:
            raise ValueError(f"nobody knows what {self.name} holds")
        begin = self.start + start
        return [read_window(str(source.stem), begin, seconds, sample_rate) for source in self.sources]

    def mixture(self, sample_rate: int) -> Waveform:
        """What its recording holds, mono [samples]. Raises ValueError if it has none."""
        if self.recording is None:
            raise ValueError(f"{self.name} is the sum of its stems")
        return read_window(str(self.recording), self.start, self.seconds, sample_rate)


def read_scenes(truth: Path) -> dict[str, TrueScene]:
    """The scenes of a truth table, by file name. Raises UserError if it is none."""
    try:
        rows = pq.read_table(truth, columns=list(_TRUTH_COLUMNS)).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError("this is no table of what scenes hold", where=str(truth)) from error
    rows.sort(key=lambda row: (row["scene"], row["source"]))
    scenes = (_scene(name, list(of_scene), truth.parent) for name, of_scene in groupby(rows, _scene_name))
    return {scene.name: scene for scene in scenes}


def _scene_name(row: Mapping[str, Any]) -> str:
    return str(row["scene"])


def _scene(name: str, rows: Sequence[Mapping[str, Any]], folder: Path) -> TrueScene:
    return TrueScene(
        name=name,
        type=rows[0]["scene_type"],
        seconds=rows[0]["duration"],
        sources=tuple(
            TrueSource(
                label=row["label"],
                category=row["category"],
                spans=tuple((span["start"], span["end"]) for span in row["spans"]),
                stem=None if row["stem"] is None else folder / row["stem"],
            )
            for row in rows
        ),
        clips=tuple(dict.fromkeys(clip for row in rows for clip in _leading_clips(row))),
    )


def _leading_clips(source: Mapping[str, Any]) -> Iterable[str]:
    """Clips that sound for at least half of the time that a source sounds: no single utterance of many does."""
    seconds: dict[str, float] = {}
    for clip, span in zip(source["clips"], source["spans"], strict=True):
        seconds[clip] = seconds.get(clip, 0.0) + span["end"] - span["start"]
    return [clip for clip, of_clip in seconds.items() if of_clip >= sum(seconds.values()) / 2]
