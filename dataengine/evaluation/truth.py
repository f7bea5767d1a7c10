"""Judging the candidates of a run on scenes whose sources are known.

A candidate is *right* when the prompted sound is in its scene and the target is at least 5 dB nearer to
the true sound than the mixture is: SI-SDR against the true stem, over the frames in which the prompted
sound and the rest of the scene both sound. Where a prompt names several sources, the true stem is their sum.
Whatever could be argued about is wrong: a prompt that names a source only by some people's ears, one that
names everything in the scene, so that there is nothing to take away, and one whose sound never meets
the rest. What a recording holds that is a mixture by itself nobody knows: its candidates are not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.errors import UserError
from dataengine.evaluation.metrics import si_sdr
from dataengine.evaluation.overlap import overlap
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.true_scenes import TrueScene, read_scenes
from dataengine.models.roles import Waveform
from dataengine.report.run_directory import CANDIDATE, RunDirectory
from dataengine.report.stored_audio import StoredAudio
from manifests.progress import Progress

GAIN_DB = 5.0
"""How much nearer the truth a right target is than the mixture."""

RIGHT = "right"
ABSENT = "the prompted sound is not there"
WHOLE = "the prompt names everything there is"
APART = "the prompted sound and the rest never meet"
NOT_SEPARATED = "the target is less than 5 dB nearer the truth than the mixture"
UNKNOWN = "nobody knows what the recording holds"

JUDGEMENT_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("right", pa.bool_()),  # null: not judged
        pa.field("reason", pa.string(), nullable=False),
        pa.field("scene", pa.string(), nullable=False),
        pa.field("scene_type", pa.string(), nullable=False),
        pa.field("sources", pa.int32(), nullable=False),
        pa.field("mixture_si_sdr_db", pa.float32()),  # where both sound, against the true stem
        pa.field("target_si_sdr_db", pa.float32()),
        pa.field("clips", pa.list_(pa.string()), nullable=False),  # what ties scenes together
    ]
)
"""A row a candidate."""


@dataclass(frozen=True)
class Comparison:
    """Mixture and target against the true stem, SI-SDR in dB, where the stem and the rest both sound."""

    mixture: float
    target: float

    @property
    def gain(self) -> float:
        """How much nearer the truth the target is."""
        return self.target - self.mixture


@dataclass(frozen=True)
class Candidate:
    """What judging needs of a row of the samples table."""

    sample_id: str
    text: str
    uri: str
    start: float
    duration: float
    shard: str | None
    key: str | None


def judge_run(run: RunDirectory, truths: Sequence[Path]) -> pa.Table:
    """Judge every candidate of a run on scenes; `truths` are the tables that `demo-data` wrote beside them.

    Returns a table of `JUDGEMENT_SCHEMA`, ordered by scene. Raises UserError if the audio of a candidate
    that must be heard was not stored, or if a recording is no scene of the tables.
    """
    scenes = {name: scene for truth in truths for name, scene in read_scenes(truth).items()}
    judge = _Judge(StoredAudio(run.storage), PhraseMeanings.load())
    candidates = _candidates(run)
    rows: list[dict[str, Any]] = []
    with Progress("Judging", total=len(candidates), unit="candidates") as progress:
        for uri, of_scene in groupby(candidates, key=lambda candidate: candidate.uri):
            scene = scenes.get(PurePosixPath(uri).name)
            if scene is None:
                raise UserError(f"{uri} is no scene of {', '.join(map(str, truths))}")
            rows.extend(judge.judgements(scene, list(of_scene)))
            progress.update(len(rows))
    return pa.Table.from_pylist(rows, JUDGEMENT_SCHEMA)


def compare(
    mixture: Waveform, target: Waveform, stem: Waveform, rest: Waveform, sample_rate: int
) -> Comparison | None:
    """Mixture and target against the true stem where it and the rest both sound; None if they never meet.

    All have shape [samples].
    """
    met = overlap(stem, rest, sample_rate)
    if met is None:
        return None
    there = met.samples
    return Comparison(si_sdr(mixture[there], stem[there]), si_sdr(target[there], stem[there]))


@dataclass(frozen=True)
class _Judge:
    audio: StoredAudio
    meanings: PhraseMeanings

    def judgements(self, scene: TrueScene, candidates: Sequence[Candidate]) -> Iterator[dict[str, Any]]:
        """Rows of `JUDGEMENT_SCHEMA` for the candidates of one scene; they share a window's stems."""
        stems: dict[tuple[float, float, int], list[Waveform]] = {}
        for candidate in candidates:
            comparison = None
            reason = self._reason_without_listening(scene, candidate.text)
            if reason is None:
                comparison = self._compare(scene, candidate, stems)
                reason = _reason(comparison)
            yield {
                "sample_id": candidate.sample_id,
                "right": None if reason == UNKNOWN else reason == RIGHT,
                "reason": reason,
                "scene": scene.name,
                "scene_type": scene.type,
                "sources": len(scene.labels),
                "mixture_si_sdr_db": comparison and comparison.mixture,
                "target_si_sdr_db": comparison and comparison.target,
                "clips": scene.clips,
            }

    def _named(self, scene: TrueScene, text: str) -> list[bool]:
        return [self.meanings.names(text, label) for label in scene.labels]

    def _reason_without_listening(self, scene: TrueScene, text: str) -> str | None:
        if not scene.known:
            return UNKNOWN
        named = self._named(scene, text)
        if not any(named):
            return ABSENT
        return WHOLE if all(named) else None

    def _compare(
        self, scene: TrueScene, candidate: Candidate, stems: dict[tuple[float, float, int], list[Waveform]]
    ) -> Comparison | None:
        stored = {stem.name: stem for stem in self.audio.stems(asdict(candidate))}
        if "target" not in stored:
            raise UserError(
                f"the audio of candidate {candidate.sample_id} was not stored; to judge a run, give it a filter "
                "file with `audit_share: 1.0`"
            )
        rate = stored["target"].sample_rate
        window = (candidate.start, candidate.duration, rate)
        if window not in stems:
            stems[window] = scene.stems(*window)
        named = self._named(scene, candidate.text)
        wanted, rest = (
            np.sum([s for s, n in zip(stems[window], named, strict=True) if n == which], axis=0)
            for which in (True, False)
        )
        return compare(stored["mix"].waveform, stored["target"].waveform, wanted, rest, rate)


def _reason(comparison: Comparison | None) -> str:
    if comparison is None:
        return APART
    return RIGHT if comparison.gain >= GAIN_DB else NOT_SEPARATED


def _candidates(run: RunDirectory) -> list[Candidate]:
    rows = run.query(
        "SELECT sample_id, text, uri, start, duration, shard, key "  # noqa: S608
        f"FROM samples WHERE {CANDIDATE} ORDER BY uri, start, sample_id"
    )
    return [Candidate(*row) for row in rows]
