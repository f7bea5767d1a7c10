"""The catalogue itself: which clips there are, what they hold, whose they are, which split they belong to.

Three tables: `recordings.csv` (a clip a row), `speakers.csv` and `packages.csv`. Labels come from file
names and embedded text; nobody listened to every clip. Splits are disjoint by content: where one sound
stands in two splits under two names (cross-correlation above 0.65), the copy in the split that is opened
earlier (seed, pool, calibrate, …) was left out. So were the tones among the telephone prompts, and an
`eat.wav` in which a man's voice is heard (voice-activity detector 0.99, tagger's speech 0.92, formants).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from dataengine.errors import UserError

SPLITS = ("seed", "pool", "calibrate", "gate", "final")
"""`seed` may train the first separator; `pool` holds the unlabelled recordings of the loop; thresholds are
chosen on `calibrate`; `gate` decides promotion; `final` is opened for reported figures only."""

CATEGORIES = ("speech", "sound", "instrument", "music")


@dataclass(frozen=True)
class Package:
    """A Debian package that recordings come from."""

    name: str
    version: str
    """The version whose clips the catalogue's hashes belong to."""
    size: int
    """Bytes to download."""
    licence: str
    licence_note: str


@dataclass(frozen=True)
class Clip:
    """One recording of the catalogue."""

    split: str
    package: str
    path: str
    """Path in the unpacked package; where a component is a container (`.rcc`, `.cat`), the rest lies in it."""
    label: str
    category: str
    """One of `CATEGORIES`."""
    speaker: str
    """Empty unless the clip is speech."""
    gender: str
    """`f` or `m` as the package says; `f?` or `m?` as guessed from the voice; empty: not known."""
    language: str
    seconds: float
    sample_rate: int
    channels: int
    licence: str
    sha256: str
    """First 32 hexadecimal digits of the SHA-256 of the file's bytes."""

    @property
    def name(self) -> str:
        """Package and path: what identifies the clip in the truth tables, and its place in the cache."""
        return f"{self.package}/{self.path}"


@cache
def packages() -> dict[str, Package]:
    """Every package of the catalogue, by name."""
    return {
        row["package"]: Package(
            row["package"], row["version"], int(row["bytes"]), row["licence"], row["licence_note"]
        )
        for row in table_rows("packages.csv")
    }


@cache
def all_clips() -> tuple[Clip, ...]:
    """Every clip of the catalogue, ordered by split, package and path."""
    speakers = {row["speaker"]: row for row in table_rows("speakers.csv")}
    stranger = {"gender": "", "language": ""}
    clips = []
    for row in table_rows("recordings.csv"):
        speaker = speakers.get(row["speaker"], stranger)
        clips.append(
            Clip(
                split=row["split"],
                package=row["package"],
                path=row["path"],
                label=row["label"],
                category=row["category"],
                speaker=row["speaker"],
                gender=speaker["gender"],
                language=speaker["language"],
                seconds=float(row["seconds"]),
                sample_rate=int(row["sample_rate"]),
                channels=int(row["channels"]),
                licence=row["licence"] or packages()[row["package"]].licence,
                sha256=row["sha256"],
            )
        )
    return tuple(clips)


@cache
def clips_of(split: str) -> tuple[Clip, ...]:
    """The clips of one split. Raises UserError for an unknown one."""
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; the catalogue has {', '.join(SPLITS)}")
    return tuple(clip for clip in all_clips() if clip.split == split)


def table_rows(table: str) -> list[dict[str, str]]:
    """The rows of a CSV file that lies beside this module."""
    text = resources.files(__package__).joinpath(table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
