"""Benchmarks in the format of the hub's `facebook/sam-audio-bench`: a Parquet table of prompts, and the user's media.

The table names a recording (`source_dataset`, `video_id`), where the excerpt begins and ends in it, what is asked for
(`description`, `spans`, `mask_bytes`), and the settings in which it is asked (`paper_eval_sets`). Media lie where the
reference's own loader looks for them, as whole recordings or as excerpts:

    <media>/<source_dataset>/<video_id>.mp4
    <media>/<source_dataset>/<video_id>_<start>_<end>.mp4             milliseconds, or whole seconds
    <media>/<source_dataset>/<video_id>.<start>_<end>.mp4             milliseconds, eight digits

Nobody has the true stems of these recordings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.errors import UserError
from dataengine.evaluation.benchmark.items import Benchmark, first_of_each
from dataengine.evaluation.benchmark.settings import PromptKind, Setting, Task
from dataengine.evaluation.masked_video import MaskedVideo
from dataengine.evaluation.questions import Question, Spans
from dataengine.evaluation.true_scenes import TrueScene, TrueSource
from manifests.media import MediaError, probe
from manifests.progress import Progress

SUFFIXES = (".mp4", ".webm", ".mkv", ".wav", ".flac")
"""Of media; the set itself is made of videos, and who asks by text needs their sound alone."""
LEAST_SECONDS, MOST_SECONDS = 0.5, 600.0
"""Of an excerpt."""

_COLUMNS = {
    "video_id": pa.string(),
    "source_dataset": pa.string(),
    "start_offset": pa.float64(),
    "end_offset": pa.float64(),
    "description": pa.string(),
    "spans": pa.list_(pa.list_(pa.float64())),
    "paper_eval_sets": pa.list_(pa.string()),
    "mask_bytes": pa.binary(),
}
_EVALUATION_SET = re.compile(
    r"(?P<task>[a-z-]+?)(-onscreen)?-\d+:(?P<prompts>text-only|text\+span|visual-only)"
)
"""As in `speech-clean-50:text+span`."""
_TASKS = {
    "speech-clean": Task.SPEECH,
    "spk": Task.SPEAKER,
    "music-clean": Task.MUSIC,
    "instr": Task.INSTRUMENT_WILD,
    "others": Task.SOUND,
}
_PROMPTS = {"text-only": PromptKind.TEXT, "text+span": PromptKind.SPAN, "visual-only": PromptKind.VISUAL}
_CATEGORIES = {
    Task.SPEECH: "speech",
    Task.SPEAKER: "speech",
    Task.MUSIC: "music",
    Task.INSTRUMENT_WILD: "instrument",
    Task.SOUND: "sound",
}
ASKED_BY_MASK = "no separator here takes a mask over a video"
OF_MULTI_TRACKS = "the set takes it from multi-tracks (MUSDB) and has no rows of it"


@dataclass(frozen=True)
class _Row:
    """A row of the table, checked."""

    video_id: str
    source_dataset: str
    start: float
    end: float
    description: str
    spans: Spans
    settings: tuple[Setting, ...]
    mask: bytes | None
    """Archive with the mask of what is seen."""

    @property
    def name(self) -> str:
        """Which excerpt it is."""
        return f"{self.source_dataset}/{self.video_id}"

    def places(self) -> Iterator[tuple[str, float]]:
        """Names its media may have, and where the excerpt begins in each."""
        yield self.name, self.start
        milliseconds = int(self.start * 1000), int(self.end * 1000)
        yield f"{self.name}_{milliseconds[0]}_{milliseconds[1]}", 0.0
        yield f"{self.name}_{int(self.start)}_{int(self.end)}", 0.0
        yield f"{self.name}.{milliseconds[0]:08d}_{milliseconds[1]:08d}", 0.0


def read_hub_set(
    table: Path, media: Path, settings: Collection[Setting], limit: int, *, skip_missing: bool
) -> Benchmark:
    """The rows of a table that belong to these settings, the first so many of each.

    Raises UserError if it is no such table, and if media are missing or cannot be read, unless they are to be skipped.
    """
    rows = _read_rows(table)
    wanted = [each for each in rows if not set(each.settings).isdisjoint(settings)]
    scenes, missing = _scenes(wanted, media)
    names = {each.name for each in wanted}
    if missing and (len(missing) == len(names) or not skip_missing):
        first = min(missing)
        raise UserError(
            f"{len(missing)} of {len(names)} recordings are missing or cannot be read, the first is {first}: "
            f"{missing[first]}; --skip-missing leaves them out",
            where=str(media),
        )
    found = {
        setting: [
            _question(row, scenes[row], setting)
            for row in wanted
            if setting in row.settings and row in scenes
        ]
        for setting in settings
        if setting.prompts != PromptKind.VISUAL
    }
    questions, none = first_of_each(found, limit)
    if not questions:
        raise UserError(
            "no row of this table belongs to the tasks and prompts that were asked for", where=str(table)
        )
    left_out = {
        each: OF_MULTI_TRACKS if each.task == Task.INSTRUMENT_PRO else why for each, why in none.items()
    }
    left_out |= {each: ASKED_BY_MASK for each in settings if each.prompts == PromptKind.VISUAL}
    skipped = (
        (f"{len(missing)} recordings are missing or cannot be read, and were left out.",) if missing else ()
    )
    return Benchmark(table.name, questions, left_out=left_out, notes=skipped)


def _question(row: _Row, scene: TrueScene, setting: Setting) -> Question:
    source = TrueSource(row.description, _CATEGORIES[setting.task], row.spans, None)
    video = None
    if row.mask is not None and scene.recording is not None:
        video = MaskedVideo(scene.recording, scene.start, scene.seconds, row.mask)
    spans = row.spans if setting.prompts == PromptKind.SPAN else ()
    return Question(scene, 0, row.description, source, spans, video)


def _scenes(rows: Collection[_Row], media: Path) -> tuple[dict[_Row, TrueScene], dict[str, str]]:
    """The excerpts whose media are there, and of the others why they cannot be used."""
    scenes: dict[_Row, TrueScene] = {}
    missing: dict[str, str] = {}
    with Progress("Looking for media", total=len(rows), unit="rows") as progress:
        for number, row in enumerate(rows, start=1):
            try:
                scenes[row] = _scene(row, media)
            except (MediaError, OSError) as error:
                missing[row.name] = str(error)
            progress.update(number)
    return scenes, missing


def _scene(row: _Row, media: Path) -> TrueScene:
    found = next(
        (
            (path, start)
            for name, start in row.places()
            for suffix in SUFFIXES
            if (path := media / f"{name}{suffix}").is_file()
        ),
        None,
    )
    if found is None:
        raise FileNotFoundError("there is no such file")
    path, start = found
    seconds = min(row.end - row.start, probe(str(path)).duration - start)
    if seconds < LEAST_SECONDS:
        raise MediaError(f"it ends before the excerpt from {row.start:g} to {row.end:g} s")
    source = TrueSource(row.description, "", row.spans, None)
    return TrueScene(
        name=f"{row.name} from {row.start:g} s",
        type=row.source_dataset,
        seconds=seconds,
        sources=(source,),
        clips=(row.name,),
        start=start,
        recording=path,
    )


def _read_rows(table: Path) -> list[_Row]:
    try:
        schema = pq.read_schema(table)
        missing = [name for name in _COLUMNS if name not in schema.names]
        if missing:
            raise UserError(f"the table lacks the columns {', '.join(missing)}", where=str(table))
        found = pq.read_table(table, columns=list(_COLUMNS)).cast(pa.schema(list(_COLUMNS.items())))
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"this is no benchmark: {' '.join(str(error).split())}", where=str(table)) from error
    return [_row(row, f"{table}, row {number}") for number, row in enumerate(found.to_pylist(), start=1)]


def _row(row: Mapping[str, Any], where: str) -> _Row:
    for name in ("video_id", "source_dataset"):
        if not row[name] or row[name] in (".", "..") or re.search(r"[/\\\0]", row[name]):
            raise UserError(f"{name} {row[name]!r} is no name of a file", where=where)
    start, end = row["start_offset"] or 0.0, row["end_offset"] or 0.0
    if not (start >= 0 and LEAST_SECONDS <= end - start <= MOST_SECONDS):
        raise UserError(f"an excerpt from {start:g} to {end:g} s", where=where)
    return _Row(
        row["video_id"],
        row["source_dataset"],
        start,
        end,
        row["description"] or "",
        tuple(_span(each, end - start, where) for each in row["spans"] or ()),
        tuple(dict.fromkeys(filter(None, map(_setting, row["paper_eval_sets"] or ())))),
        row["mask_bytes"],
    )


def _span(span: list[float], seconds: float, where: str) -> tuple[float, float]:
    if len(span) != 2 or not 0 <= span[0] < span[1]:
        raise UserError(f"{span} is no span: [start, end] in seconds of the excerpt", where=where)
    return min(span[0], seconds), min(span[1], seconds)


def _setting(evaluation_set: str) -> Setting | None:
    """None for a set that is none of the benchmark's."""
    found = _EVALUATION_SET.fullmatch(evaluation_set)
    task = _TASKS.get(found["task"]) if found else None
    return Setting(task, _PROMPTS[found["prompts"]]) if found and task else None
