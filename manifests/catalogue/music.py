"""Pieces of music as MIDI files, and the soundfonts they are played with: tables only.

A piece belongs to one split, and so does a soundfont but for the last one: `pool` sounds other than `seed`
on purpose. `calibrate`, `gate` and `final`, which nothing is trained on, share theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from dataengine.errors import UserError
from manifests.catalogue.recordings import SPLITS, packages, table_rows

SOUNDFONT_PACKAGES = {
    "seed": "musescore-general-soundfont-small",
    "pool": "freepats",
    "calibrate": "timgm6mb-soundfont",
    "gate": "timgm6mb-soundfont",
    "final": "timgm6mb-soundfont",
}

DRUM_KIT = "drum kit"
"""What the drum channel holds."""


@dataclass(frozen=True)
class PackagedFile:
    """A file of a Debian package."""

    package: str
    path: str
    """Path in the unpacked package."""
    sha256: str
    """First 32 hexadecimal digits of the SHA-256 of its bytes."""


@dataclass(frozen=True)
class Piece(PackagedFile):
    """A piece of music: a MIDI file."""

    split: str
    seconds: float

    @property
    def name(self) -> str:
        """The file's name without suffix; no two pieces share one."""
        return self.path.rpartition("/")[2].removesuffix(".mid")


@dataclass(frozen=True)
class Soundfont:
    """What instruments sound like."""

    package: str
    files: tuple[PackagedFile, ...]
    """One SF2 or SF3 file; or a configuration of TiMidity++ first, and the patches that it names."""

    @property
    def is_patch_set(self) -> bool:
        """Whether it is a set of Gravis Ultrasound patches, which TiMidity++ plays."""
        return self.files[0].path.endswith(".cfg")


@cache
def all_pieces() -> tuple[Piece, ...]:
    """Every piece, ordered by split, package and path."""
    return tuple(
        Piece(row["package"], row["path"], row["sha256"], row["split"], float(row["seconds"]))
        for row in table_rows("pieces.csv")
    )


def pieces_of(split: str) -> tuple[Piece, ...]:
    """The pieces of one split. Raises UserError for an unknown one."""
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; the catalogue has {', '.join(SPLITS)}")
    return tuple(piece for piece in all_pieces() if piece.split == split)


@cache
def soundfonts() -> dict[str, Soundfont]:
    """Every soundfont, by its package."""
    files: dict[str, list[PackagedFile]] = {}
    for row in table_rows("soundfonts.csv"):
        files.setdefault(row["package"], []).append(PackagedFile(row["package"], row["path"], row["sha256"]))
    return {package: Soundfont(package, tuple(each)) for package, each in files.items()}


def soundfont_of(split: str) -> Soundfont:
    """The soundfont that a split's pieces are played with."""
    return soundfonts()[SOUNDFONT_PACKAGES[split]]


@cache
def instruments() -> tuple[str, ...]:
    """What each of the 128 programs of General MIDI is called: several may be one instrument."""
    return tuple(row["instrument"] for row in table_rows("instruments.csv"))


def licence_of(piece: Piece) -> str:
    """Of a rendering: the piece's licence and its soundfont's."""
    both = (piece.package, SOUNDFONT_PACKAGES[piece.split])
    return " AND ".join(sorted({packages()[package].licence for package in both}))
