"""Benchmarks in the hub set's format, on rows made to its schema and videos made for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataengine.errors import UserError
from dataengine.evaluation.asking import ask
from dataengine.evaluation.benchmark.hub_set import read_hub_set
from dataengine.evaluation.benchmark.items import Benchmark
from dataengine.evaluation.benchmark.settings import SETTINGS, PromptKind, Setting, Task
from tests.evaluation.benchmark.hub_rows import mask_bytes, row, write_table, write_video

RATE = 16_000
SOUND, SOUND_SPAN, SPEAKER = (
    Setting(Task.SOUND, PromptKind.TEXT),
    Setting(Task.SOUND, PromptKind.SPAN),
    Setting(Task.SPEAKER, PromptKind.TEXT),
)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole video, an excerpt under each of the names that excerpts have, and one that is too short."""
    folder = tmp_path_factory.mktemp("media")
    write_video(folder / "avspeech" / "whole.mp4", 6.0)
    for name in ("cut_3000_5000", "seconds_3_5", "dotted.00003000_00005000"):
        write_video(folder / "avspeech" / f"{name}.mp4", 2.0)
    write_video(folder / "avspeech" / "short.mp4", 2.0)
    return folder


def read(table: Path, media: Path, *, limit: int = 50, skip_missing: bool = False) -> Benchmark:
    return read_hub_set(table, media, SETTINGS, limit, skip_missing=skip_missing)


def test_rows_are_asked_in_their_settings(media: Path, tmp_path: Path) -> None:
    sets = (
        "others-50:text-only",
        "others-50:text+span",
        "others-onscreen-50:visual-only",
        "mystery-9:text-only",
    )
    table = write_table(
        tmp_path / "bench.parquet",
        row("whole", *sets, mask_bytes=mask_bytes()),
        row("cut", "spk-50:text-only", description="woman on the left"),
    )
    found = read(table, media)
    assert list(found.questions) == [SPEAKER, SOUND, SOUND_SPAN]
    (by_text,), (by_span,) = found.questions[SOUND], found.questions[SOUND_SPAN]
    assert (by_text.text, by_text.spans) == ("dog barking", ())
    assert (by_span.text, by_span.spans) == ("dog barking", ((0.5, 1.0),))
    assert found.questions[SPEAKER][0].named.category == "speech"
    assert not found.known
    assert "mask" in found.left_out[Setting(Task.SOUND, PromptKind.VISUAL)]
    assert "multi-tracks" in found.left_out[Setting(Task.INSTRUMENT_PRO, PromptKind.TEXT)]


@pytest.mark.parametrize(
    ("video", "hertz"), [("whole", 700), ("cut", 400), ("seconds", 400), ("dotted", 400)]
)
def test_the_excerpt_is_heard_and_nothing_else(media: Path, tmp_path: Path, video: str, hertz: int) -> None:
    """Of a whole recording what lies between the offsets; of an excerpt all."""
    table = write_table(tmp_path / "bench.parquet", row(video, "others-50:text-only"))
    (asked,) = ask(read(table, media).questions[SOUND], RATE)
    assert len(asked.mixture) == 2 * RATE
    assert asked.truth is None
    first_second = np.abs(np.fft.rfft(asked.mixture[:RATE]))
    assert abs(int(first_second.argmax()) - hertz) <= 2


def test_media_that_are_missing_are_named_or_left_out(media: Path, tmp_path: Path) -> None:
    rows = [row(name, "others-50:text-only") for name in ("absent", "whole", "short", "gone")]
    table = write_table(tmp_path / "bench.parquet", *rows)
    with pytest.raises(
        UserError, match=r"3 of 4 recordings .* the first is avspeech/absent: there is no such file"
    ):
        read(table, media)
    found = read(table, media, skip_missing=True)
    assert len(found.questions[SOUND]) == 1
    assert "3 recordings" in found.notes[0]
    nothing = write_table(tmp_path / "nothing.parquet", rows[0])
    with pytest.raises(UserError, match="1 of 1 recordings"):
        read(nothing, media, skip_missing=True)


def test_a_limit_counts_for_each_setting(media: Path, tmp_path: Path) -> None:
    rows = [row("whole", "others-50:text-only", "others-50:text+span", description=text) for text in "abc"]
    found = read(write_table(tmp_path / "bench.parquet", *rows), media, limit=2)
    assert [question.text for question in found.questions[SOUND]] == ["a", "b"]
    assert [question.text for question in found.questions[SOUND_SPAN]] == ["a", "b"]


def test_rows_of_one_recording_are_no_independent_evidence(media: Path, tmp_path: Path) -> None:
    rows = [
        row("whole", "others-50:text-only", start_offset=start, end_offset=start + 2) for start in (0.0, 3.0)
    ]
    one, other = read(write_table(tmp_path / "bench.parquet", *rows), media).questions[SOUND]
    assert one.clips == other.clips
    assert one.id != other.id


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"video_id": "../../etc/passwd"}, "row 1: video_id '../../etc/passwd' is no name of a file"),
        ({"source_dataset": ".."}, "source_dataset '..' is no name"),
        ({"end_offset": 3.1}, "an excerpt from 3 to 3.1 s"),
        ({"end_offset": float("nan")}, "an excerpt from 3 to nan s"),
        ({"spans": [[1.0, 0.5]]}, r"\[1.0, 0.5\] is no span"),
        ({"paper_eval_sets": ["music-clean-50:visual-only"]}, "no row of this table belongs"),
    ],
)
def test_rows_that_make_no_sense_are_one_line(
    media: Path, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    table = write_table(tmp_path / "bench.parquet", row("whole", "others-50:text-only", **changes))
    with pytest.raises(UserError, match=complaint):
        read(table, media)


def test_another_table_is_no_benchmark(media: Path, tmp_path: Path) -> None:
    other = write_table(tmp_path / "other.parquet")
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(other).drop_columns(["spans", "description"]), other)
    with pytest.raises(UserError, match="lacks the columns description, spans"):
        read(other, media)
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(UserError, match="this is no benchmark"):
        read(tmp_path / "text.parquet", media)
