"""Multi-track recordings: folders of stems become tracks, for `dataengine index --stems`.

A folder with sound files is a track. A file called `mixture` or `mix` is its mixture; the others are its stems,
each with a label: from the metadata (column `label`), else from its name. Without a mixture the track is the
sum of its stems. A file with several labels (`a woman speaking; a man speaking`) is a track by itself, a
stem a channel. In the manifest a track is one recording, under the URI of its mixture or else its longest
stem, with a column `stems`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pyarrow as pa

from manifests.identity import stable_hash
from manifests.metadata import Metadata
from manifests.probing import FACTS_SCHEMA, FileFacts

MIXTURE_NAMES = frozenset({"mixture", "mix"})

LABEL = "label"
"""Column of a metadata table, and of a manifest, with what a recording holds."""
STEMS = "stems"
"""Column of a manifest of tracks."""
STEMS_TYPE = pa.list_(
    pa.struct(
        [
            pa.field("label", pa.string(), nullable=False),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("channel", pa.int16()),  # counted from 0; null: the mean of all
        ]
    )
)
"""The stems of a track, by URI; where the recording's own URI is not among them, it is the mixture."""
CHANNELS = ";"
"""Between the labels of a file's channels."""


@dataclass(frozen=True)
class Tracks:
    """What `index` needs of tracks."""

    facts: pa.Table
    """`FACTS_SCHEMA`, a row a track; its recording's identity is that of all stems and their labels."""
    metadata: Metadata
    """Of each track: `stems`, and what the metadata says of its mixture or longest stem."""
    metadata_unmatched: int
    """Rows of the given metadata that fit no file."""


@dataclass(frozen=True)
class _Stem:
    label: str
    file: FileFacts
    channel: int | None = None


@dataclass(frozen=True)
class _Track:
    facts: FileFacts
    stems: tuple[_Stem, ...] = ()


class _Given:
    """The rows of a metadata table by URI or file name."""

    def __init__(self, metadata: Metadata | None) -> None:
        self._row_of = {key: row for row, key in enumerate(metadata.keys)} if metadata else {}
        self._licences = metadata.licences.to_pylist() if metadata else []
        columns = metadata.columns if metadata else pa.table({})
        self._labels = columns[LABEL].to_pylist() if LABEL in columns.column_names else []
        self.columns = columns.drop_columns([LABEL]) if self._labels else columns
        self._used: set[int] = set()

    @property
    def unmatched(self) -> int:
        """Rows that no file was looked up by."""
        return len(self._row_of) - len(self._used)

    def row(self, uri: str) -> int | None:
        """Position of a file's row."""
        found = self._row_of.get(uri, self._row_of.get(uri.rpartition("/")[2]))
        if found is not None:
            self._used.add(found)
        return found

    def label(self, uri: str) -> str:
        """What a stem holds."""
        row = self.row(uri)
        given = self._labels[row] if row is not None and self._labels else None
        return str(given) if given else _name(uri)

    def licence(self, uris: Iterable[str]) -> str | None:
        """Of something made from these files; None if one has none."""
        rows = [self.row(uri) for uri in uris]
        licences = {None if row is None else self._licences[row] for row in rows}
        return None if None in licences or not licences else " AND ".join(sorted(map(str, licences)))


def tracks_of(facts: pa.Table, metadata: Metadata | None) -> Tracks:
    """Group the files of `facts` (`FACTS_SCHEMA`) by their folders.

    A track that cannot be used (a stem that cannot be read, two mixtures, nothing beside a mixture) is a row
    with `error_type` and `error`.
    """
    given = _Given(metadata)
    files = sorted((FileFacts(**row) for row in facts.to_pylist()), key=lambda file: file.uri)
    alone = {file.uri: file for file in files if CHANNELS in given.label(file.uri)}
    others = (file for file in files if file.uri not in alone)
    folders = groupby(others, key=lambda file: file.uri.rpartition("/")[0])
    tracks = [
        *(_multi_track(file, given) for file in alone.values()),
        *(_track(list(group), given) for _, group in folders),
    ]
    columns: dict[str, Any] = {STEMS: pa.array([_as_rows(track) for track in tracks], STEMS_TYPE)}
    rows = pa.array([given.row(track.facts.uri) for track in tracks], pa.int64())
    for name in given.columns.column_names:
        columns[name] = given.columns[name].take(rows)
    licences = [given.licence([track.facts.uri, *_uris(track)]) for track in tracks]
    return Tracks(
        pa.Table.from_pylist([vars(track.facts) for track in tracks], FACTS_SCHEMA),
        Metadata([track.facts.uri for track in tracks], pa.array(licences, pa.string()), pa.table(columns)),
        given.unmatched,
    )


def _track(files: list[FileFacts], given: _Given) -> _Track:
    mixtures = [file for file in files if _name(file.uri).casefold() in MIXTURE_NAMES]
    stems = [_Stem(given.label(file.uri), file) for file in files if file not in mixtures]
    unreadable = next((file for file in files if file.error_type), None)
    if unreadable:
        name = unreadable.uri.rpartition("/")[2]
        return _unusable(files, unreadable.error_type, f"{name}: {unreadable.error}")
    if len(mixtures) > 1:
        return _unusable(files, "TrackError", f"the track has {len(mixtures)} mixtures; leave one")
    if not stems:
        return _unusable(files, "TrackError", "there is a mixture and no stem beside it")
    whole = mixtures[0] if mixtures else max((stem.file for stem in stems), key=_seconds)
    mixture = mixtures[0].recording_id if mixtures else None
    return _Track(replace(whole, recording_id=_identity(mixture, stems)), tuple(stems))


def _multi_track(file: FileFacts, given: _Given) -> _Track:
    """A file whose channels are stems."""
    if file.error_type:
        return _Track(file)
    labels = [label.strip() for label in given.label(file.uri).split(CHANNELS)]
    if len(labels) != file.channels or not all(labels):
        count = sum(map(bool, labels))
        return _unusable([file], "TrackError", f"it has {file.channels} channels and {count} labels")
    stems = [_Stem(label, file, channel) for channel, label in enumerate(labels)]
    return _Track(replace(file, recording_id=_identity(None, stems)), tuple(stems))


def _identity(mixture: str | None, stems: list[_Stem]) -> str:
    """Of a track: what its files hold, and what they are called."""
    parts = sorted(f"{stem.label} {stem.file.recording_id} {stem.channel}" for stem in stems)
    return stable_hash("track", mixture or "", *parts)


def _unusable(files: list[FileFacts], error_type: str | None, error: str) -> _Track:
    return _Track(FileFacts(files[0].uri, error_type=error_type, error=error))


def _seconds(file: FileFacts) -> float:
    return file.recording_duration or 0.0


def _name(uri: str) -> str:
    """File name without folder and suffix."""
    return uri.rpartition("/")[2].rpartition(".")[0] or uri.rpartition("/")[2]


def _uris(track: _Track) -> Iterator[str]:
    return (stem.file.uri for stem in track.stems)


def _as_rows(track: _Track) -> list[Mapping[str, Any]]:
    return [{"label": stem.label, "uri": stem.file.uri, "channel": stem.channel} for stem in track.stems]
