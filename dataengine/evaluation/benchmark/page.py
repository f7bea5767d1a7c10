"""The page of an evaluation: `report.html`, a file that needs no other."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import soundfile
from markupsafe import Markup

from dataengine.evaluation.benchmark.examples import Heard
from dataengine.evaluation.benchmark.measures import Measure
from dataengine.evaluation.benchmark.results import ALL_TASKS, Results, Row, Table, task_title
from dataengine.evaluation.benchmark.settings import Task
from dataengine.evaluation.benchmark.trial import BASELINES
from dataengine.models.roles import Waveform
from dataengine.report.interval_drawing import Dot, DotRow, draw_intervals
from dataengine.report.rendering import render_page
from dataengine.report.spectrogram import spectrogram_images

AUDIO_BITS = "PCM_16"


@dataclass(frozen=True)
class Sound:
    """A sound of an example, inside the page."""

    name: str
    audio: str
    image: str


@dataclass(frozen=True)
class ExampleView:
    """An example as the page shows it."""

    task: str
    rank: str
    prompt: str
    value: float
    against: float | None
    seconds: float
    sounds: tuple[Sound, ...]


def render_evaluation(results: Results, heard: Iterable[Heard], primary: Measure) -> str:
    """The text of the page. Whatever comes from a table or a file is escaped."""
    main = next(table for table in results.tables if table.measure == primary)
    return render_page(
        "evaluation.html",
        results=results,
        main=main,
        others=[table for table in results.tables if table is not main],
        picture=Markup(draw_intervals(_dots(results, main), _axis(primary))),  # noqa: S704
        headline=_headline(main),
        styles={name: _style(results, name) for name in results.contestants},
        examples=_by_task(map(_view, heard)),
        titles={task: task_title(task) for task in (*Task, ALL_TASKS)},
    )


def _by_task(views: Iterable[ExampleView]) -> dict[str, list[ExampleView]]:
    """In the order of tables."""
    found: dict[str, list[ExampleView]] = {}
    for each in views:
        found.setdefault(each.task, []).append(each)
    return found


def _headline(table: Table) -> Row:
    """All tasks by text, or what comes nearest to it."""
    return next((row for row in table.rows if row.of_all), table.rows[0])


def _axis(measure: Measure) -> str:
    return f"{measure.title}, {measure.unit}" if measure.unit else measure.title


def _dots(results: Results, table: Table) -> list[DotRow]:
    return [
        DotRow(f"{row.title}, {row.prompts}", list(_of_row(results, row)))
        for row in table.rows
        if any(row.figures.values())
    ]


def _of_row(results: Results, row: Row) -> Iterator[Dot]:
    """Those who answered everything: of fewer questions a mean is no mark beside the others."""
    own = row.figures[results.separator]
    for name, summary in row.figures.items():
        if summary is not None and (own is None or summary.rows >= own.rows):
            mean, style = summary.mean, _style(results, name)
            marked = name not in (results.separator, results.against)
            yield Dot(name, style, mean.value, None if marked else (mean.low, mean.high))


def _style(results: Results, name: str) -> str:
    """A class of the style sheet: what a contestant is."""
    if name == results.separator:
        return "first"
    if name == results.against:
        return "second"
    mixture, oracle = (each.name for each in BASELINES)
    return {mixture: "mixture", oracle: "oracle"}.get(name, "specialist")


def _view(heard: Heard) -> ExampleView:
    chosen, sounds = heard.chosen, heard.sounds
    images = spectrogram_images(list(sounds.values()), heard.sample_rate)
    return ExampleView(
        task=chosen.setting.title,
        rank=chosen.rank,
        prompt=chosen.question.text,
        value=chosen.value,
        against=chosen.against,
        seconds=chosen.question.scene.seconds,
        sounds=tuple(
            Sound(
                name, _inside("audio/flac", _flac(waveform, heard.sample_rate)), _inside("image/png", image)
            )
            for (name, waveform), image in zip(sounds.items(), images, strict=True)
        ),
    )


def _flac(waveform: Waveform, sample_rate: int) -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, waveform.clip(-1, 1), sample_rate, format="FLAC", subtype=AUDIO_BITS)
    return sink.getvalue()


def _inside(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
