"""Facts of many files, probed by all cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial

import pyarrow as pa

from dataengine.errors import UserError
from manifests.content import audio_digest, recording_id
from manifests.media.recording import recording_in
from manifests.media.source import is_local, open_source
from manifests.supervised import WorkerLostError, map_files

REQUESTS_AT_ONCE = 16
"""Remote files that one worker reads at the same time: waiting needs no core."""


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file: either what it holds or what is wrong with it."""

    uri: str
    recording_id: str | None = None
    audio_digest: str | None = None
    recording_duration: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    has_video: bool | None = None
    container: str | None = None
    bytes: int | None = None
    error_type: str | None = None
    error: str | None = None


FACTS_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("recording_id", pa.string()),
        ("audio_digest", pa.string()),
        ("recording_duration", pa.float64()),
        ("sample_rate", pa.int32()),
        ("channels", pa.int16()),
        ("has_video", pa.bool_()),
        ("container", pa.string()),
        ("bytes", pa.int64()),
        ("error_type", pa.string()),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True)
class Fingerprints:
    """Of which recordings the audio is decoded and hashed."""

    all: bool = False
    lengths: frozenset[tuple[int, int]] = frozenset()
    """(sample rate, frames) of those that have to be compared with a list."""


def probe_files(
    uris: Sequence[str], fingerprints: Fingerprints, workers: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Facts of files in their order, a batch at a time; one row a file, whatever the file does.

    `workers` defaults to the number of cores. Raises UserError where a filesystem's library is missing.
    """
    work = partial(_probe_all, fingerprints=fingerprints)
    return map_files(work, uris, _facts_of_lost, workers, preload=(__name__, "av", "soundfile"))


def facts_of_error(uri: str, error: BaseException) -> FileFacts:
    """The row of a file that cannot be read."""
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return FileFacts(uri, error_type=type(error).__name__, error=" ".join(message.split()) or repr(error))


def as_record_batch(facts: Sequence[FileFacts]) -> pa.RecordBatch:
    """Facts as rows of `FACTS_SCHEMA`."""
    columns = [[getattr(each, field.name) for each in facts] for field in fields(FileFacts)]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, kind) for column, kind in zip(columns, FACTS_SCHEMA.types, strict=True)],
        schema=FACTS_SCHEMA,
    )


def _facts_of_lost(uri: str, why: WorkerLostError) -> pa.RecordBatch:
    return as_record_batch([facts_of_error(uri, why)])


def _probe_all(uris: Sequence[str], fingerprints: Fingerprints) -> pa.RecordBatch:
    if all(map(is_local, uris)):
        return as_record_batch([_probe_one(uri, fingerprints) for uri in uris])
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as threads:
        return as_record_batch(list(threads.map(lambda uri: _probe_one(uri, fingerprints), uris)))


def _probe_one(uri: str, fingerprints: Fingerprints) -> FileFacts:
    """Probe a file; whatever a hostile one makes a decoder raise becomes its row."""
    try:
        with open_source(uri) as source:
            identity = recording_id(source)
            with recording_in(source) as recording:
                info = recording.info
                listen = fingerprints.all or (info.sample_rate, info.frames) in fingerprints.lengths
                return FileFacts(
                    uri=uri,
                    recording_id=identity,
                    audio_digest=audio_digest(recording) if listen else None,
                    recording_duration=info.duration,
                    sample_rate=info.sample_rate,
                    channels=info.channels,
                    has_video=info.has_video,
                    container=info.container,
                    bytes=info.bytes,
                )
    except UserError:
        raise
    except Exception as error:
        return facts_of_error(uri, error)
