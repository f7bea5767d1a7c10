"""Everything that is known of one sample."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataengine.errors import UserError
from dataengine.report.criteria_checks import Check, checks_of
from dataengine.report.histogram import score_columns
from dataengine.report.run_directory import RunDirectory
from dataengine.report.stored_audio import StoredAudio, StoredStem

SHORTEST_PREFIX = 4
MOST_NAMED = 5
AUDIO_SUFFIXES = (".flac", ".wav")


@dataclass(frozen=True)
class Sample:
    """A row of the samples table, and what follows from it."""

    run: RunDirectory
    row: dict[str, Any]

    @property
    def checks(self) -> list[Check]:
        """Its scores against the run's criteria; none for what was never judged."""
        return checks_of(self.row, self.run.criteria) if self.row["failed_criteria"] is not None else []

    @property
    def other_scores(self) -> dict[str, float | None]:
        """Scores that no criterion asks for."""
        asked = {criterion.score for criterion in self.run.criteria}
        return {name: self.row[name] for name in score_columns(self.run) if name not in asked}

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """Role → adapter, version, digest and licence of the models that touched it."""
        models: dict[str, dict[str, Any]] = json.loads(self.row["models"])
        return models

    def as_plain(self) -> dict[str, Any]:
        """All of it as plain data: the row, with models and checks spelled out."""
        return {**self.row, "models": self.models, "checks": [asdict(check) for check in self.checks]}

    def stems(self) -> list[StoredStem]:
        """Its audio as stored; none if it was not kept. Raises UserError if the tar is missing or damaged."""
        return StoredAudio(self.run.storage).stems(self.row)


def find_samples(run: RunDirectory, prefix: str) -> list[Sample]:
    """The sample whose id begins with `prefix`, or, if it begins a unit's id, all samples of that unit.

    Raises UserError if nothing in the run has such an id, or several things have.
    """
    if not re.fullmatch(f"[0-9a-f]{{{SHORTEST_PREFIX},32}}", prefix):
        raise UserError(
            f"{prefix!r} is no id: give at least the first {SHORTEST_PREFIX} of its hexadecimal digits"
        )
    for column in ("sample_id", "unit_id"):
        # Digits and letters to f sort before g, so these bounds hold all that begin with the prefix.
        found = run.query(
            f"SELECT DISTINCT {column} FROM samples WHERE {column} >= ? AND {column} < ? || 'g' "  # noqa: S608
            f"ORDER BY 1 LIMIT {MOST_NAMED + 1}",
            [prefix, prefix],
        )
        ids = [each for (each,) in found]
        if len(ids) > 1:
            named = ", ".join(ids[:MOST_NAMED]) + (" and more" if len(ids) > MOST_NAMED else "")
            raise UserError(f"several ids begin with {prefix!r}: {named}; give more of it")
        if ids:
            rows = run.rows(f"{column} = ? ORDER BY sample_id", ids)
            return [Sample(run, row) for row in rows]
    done = "" if run.is_finished else "; its slice may not be done yet"
    raise UserError(f"no sample or unit whose id begins with {prefix!r}{done}", where=run.storage.root)


def save_stems(sample: Sample, destination: Path) -> list[Path]:
    """Write a sample's stems, as stored, where one can play them.

    `destination` is a directory (made if missing; `<id>.target.flac` and so on are written into it), or a
    name ending in .wav or .flac, to which the stems' names are added: `a.wav` gives `a.target.wav`.
    Raises UserError if the sample's audio was not stored, or for another ending.
    """
    stems = sample.stems()
    if not stems:
        raise UserError(
            f"the audio of {sample.row['sample_id']} was not stored: it was neither kept nor retained"
        )
    folder, name, suffix = destination, sample.row["sample_id"], ".flac"
    if destination.suffix and not destination.is_dir():
        folder, name, suffix = destination.parent, destination.stem, destination.suffix.lower()
    if suffix not in AUDIO_SUFFIXES:
        raise UserError(f"{destination}: stems are written as .wav or .flac, not {suffix}")
    folder.mkdir(parents=True, exist_ok=True)
    return [_save(stem, folder / f"{name}.{stem.name}{suffix}") for stem in stems]


def _save(stem: StoredStem, path: Path) -> Path:
    import soundfile

    if path.suffix == ".flac":
        path.write_bytes(stem.content)
    else:
        soundfile.write(path, stem.waveform, stem.sample_rate, "PCM_24")
    return path
