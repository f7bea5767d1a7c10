"""`dataengine index`: from recordings anywhere to a manifest of windows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataengine.errors import UserError
from manifests.listing import Listing, list_files
from manifests.metadata import Metadata, read_metadata
from manifests.never_train import NeverTrain, read_never_train
from manifests.probing import FACTS_SCHEMA, Fingerprints, as_record_batch, facts_of_error, probe_files
from manifests.progress import Progress
from manifests.tables import ROW_GROUP_ROWS, check_place, writing
from manifests.temporary import TemporaryFolder
from manifests.tracks import tracks_of
from manifests.units import UnitRules, group_by_content, portions, units_of


@dataclass(frozen=True)
class IndexOptions:
    """How to index."""

    window_seconds: float = 10.0
    minimum_seconds: float = 1.0
    """The shortest window: what remains of a recording under this is left out."""
    metadata: str | None = None
    """A CSV or Parquet table keyed by `uri` or `file_name`; its columns follow the manifest's."""
    licence: str | None = None
    """Of recordings whose metadata names none."""
    never_train: str | None = None
    """A list of fingerprints (text, CSV, Parquet or a manifest): recordings on it are marked."""
    stems: bool = False
    """A folder is a track, and its files are stems (`manifests.tracks`)."""
    fingerprint: bool = False
    """Decode every recording and store the digest of its audio, to make a never-train list."""
    workers: int | None = None
    """Default: one a core. The manifest does not depend on it."""

    def check(self) -> None:
        """Raise UserError for windows that make no sense."""
        if not 0.001 <= self.minimum_seconds <= self.window_seconds <= 3600:
            raise UserError(
                f"windows of {self.window_seconds:g} s with at least {self.minimum_seconds:g} s: the minimum must lie "
                "between 0.001 s and the window, the window within an hour"
            )

    def rules(self, metadata: Metadata | None, never_train: NeverTrain) -> UnitRules:
        """How recordings become units."""
        return UnitRules(
            self.window_seconds,
            self.minimum_seconds,
            self.licence,
            metadata,
            never_train,
            audio_digests=self.fingerprint,
        )


@dataclass
class IndexSummary:
    """What an index run found."""

    manifest: str
    files: int = 0
    """Files that were probed."""
    skipped: int = 0
    """Files in folders that are obviously no media."""
    recordings: int = 0
    """Different contents that can be read and have at least one window."""
    copies: int = 0
    """Further files with the content of another."""
    windows: int = 0
    hours: float = 0.0
    """Of all windows."""
    hours_left_out: float = 0.0
    """Ends of recordings that are shorter than the shortest window."""
    with_video: int = 0
    """Recordings."""
    never_train: int = 0
    """Recordings on the never-train list."""
    without_licence: int = 0
    """Recordings."""
    metadata_unmatched: int = 0
    """Rows of the metadata table that fit no file."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """Files without windows, by the reason."""
    seconds: float = 0.0
    """How long it took."""


def index(sources: Sequence[str], out: str, options: IndexOptions | None = None) -> IndexSummary:
    """Probe the recordings that `sources` name and write their manifest to `out`.

    For what a source can be, see `manifests.listing.list_files`. The manifest has the columns of
    `manifests.schema.MANIFEST_SCHEMA`, then the metadata's; its rows are sorted by URI, then start, and
    do not depend on the number of workers. Files with the same content are one recording, under its
    first URI; a file that cannot be read has one row with `error_type` and `error`.

    Raises UserError; a file that is bad raises nothing.
    """
    started = time.monotonic()
    options = options or IndexOptions()
    options.check()
    check_place(out)
    metadata = read_metadata(options.metadata) if options.metadata else None
    never_train = read_never_train(options.never_train) if options.never_train else NeverTrain()
    listing = list_files(sources)
    summary = IndexSummary(out, files=len(listing.uris), skipped=listing.skipped)
    with TemporaryFolder() as folder:
        facts = folder / "facts.parquet"
        _write_facts(facts, listing, Fingerprints(options.fingerprint, never_train.lengths), options.workers)
        if options.stems:
            tracks = tracks_of(pq.read_table(facts), metadata)
            pq.write_table(tracks.facts, facts)
            metadata, summary.metadata_unmatched = tracks.metadata, tracks.metadata_unmatched
        rules = options.rules(metadata, never_train)
        seen = np.zeros(len(metadata.keys) if metadata else 0, bool)
        with writing(out, rules.schema()) as manifest:
            batches = group_by_content(facts, metadata, folder)
            pieces = (piece for batch in batches for piece in portions(batch, options.window_seconds))
            for table in _row_groups(_tally(pieces, rules, summary, seen)):
                manifest.write_table(table)
    if not options.stems:
        summary.metadata_unmatched = int((~seen).sum())
    summary.seconds = time.monotonic() - started
    return summary


def _write_facts(path: Path, listing: Listing, fingerprints: Fingerprints, workers: int | None) -> None:
    """Probe all files; their facts go to disk as they come."""
    refused = [facts_of_error(uri, error) for uri, error in listing.unreadable.items()]
    with pq.ParquetWriter(path, FACTS_SCHEMA) as writer:
        for table in _row_groups(_probed(list(listing.uris), fingerprints, workers)):
            writer.write_table(table)
        writer.write_batch(as_record_batch(refused))


def _probed(uris: list[str], fingerprints: Fingerprints, workers: int | None) -> Iterator[pa.Table]:
    """Facts of files, while the progress bar moves."""
    done = 0
    with Progress("index", total=len(uris), unit="files") as progress:
        for batch in probe_files(uris, fingerprints, workers):
            done += batch.num_rows
            progress.update(done)
            yield pa.Table.from_batches([batch])


def _tally(
    batches: Iterable[pa.RecordBatch], rules: UnitRules, summary: IndexSummary, seen: np.ndarray
) -> Iterator[pa.Table]:
    """The manifest's rows of each batch of recordings, while the summary and the metadata rows seen are kept."""
    for recordings in batches:
        units = units_of(recordings, rules)
        good = units.filter(pc.is_null(units["error_type"]))
        first = good.filter(pc.equal(good["start"], 0.0))
        hours = (pc.sum(good["duration"]).as_py() or 0.0) / 3600
        summary.windows += good.num_rows
        summary.hours += hours
        summary.hours_left_out += (pc.sum(first["recording_duration"]).as_py() or 0.0) / 3600 - hours
        summary.recordings += first.num_rows
        summary.copies += pc.sum(pc.list_value_length(recordings["other_uris"])).as_py() or 0
        summary.with_video += pc.sum(first["has_video"]).as_py() or 0
        summary.never_train += pc.sum(first["never_train"]).as_py() or 0
        summary.without_licence += first["licence"].null_count
        summary.unreadable.update(filter(None, units["error_type"].to_pylist()))
        seen[pc.list_flatten(recordings["metadata_rows"]).to_numpy(zero_copy_only=False).astype(int)] = True
        yield units


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables of about `ROW_GROUP_ROWS` rows each."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(each.num_rows for each in pending) >= ROW_GROUP_ROWS:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)
