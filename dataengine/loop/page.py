"""The report page of a loop: `report.html` in its directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from dataengine.engine.storage import Storage
from dataengine.loop.examples import EXAMPLES_FOLDER
from dataengine.loop.figures import LabelChange, LabelFigures, change_between, label_figures
from dataengine.loop.promotion import ALL
from dataengine.loop.state import (
    EVALUATION_FILE,
    LABEL_FOLDER,
    TRAIN_FOLDER,
    LoopDirectory,
    RoundState,
    separator_name,
)
from dataengine.report.curve_drawing import Line, draw_lines
from dataengine.report.page import PAGE, write_report
from dataengine.report.rendering import render_page
from dataengine.report.run_directory import RunDirectory
from dataengine.report.spectrogram import spectrogram_images
from dataengine.run_files import SUMMARY_FILE
from manifests.media import decode_flac
from manifests.progress import Progress


@dataclass(frozen=True)
class Labelling:
    """The labels that one separator made."""

    rounds: tuple[int, ...]
    """That trained on them."""
    labelled_by: int
    figures: LabelFigures
    change: LabelChange | None
    """Since the labelling before; None of the first."""
    page: str


@dataclass(frozen=True)
class RoundView:
    """A round as the page shows it."""

    state: RoundState
    evaluation: dict[str, Any] | None
    """As `evaluation.json` has it."""
    training_page: str | None


@dataclass(frozen=True)
class Heard:
    """A sound of an example, as files beside the page."""

    name: str
    audio: str
    image: str


@dataclass(frozen=True)
class ExampleView:
    """A scene of the gate set, and what separators made of it."""

    prompt: str
    seconds: float
    stems: tuple[Heard, ...]


def write_loop_report(directory: LoopDirectory) -> str:
    """Write, or write anew, the page of a loop; it may still be going on. Returns its path.

    It can be moved together with the loop's directory. Raises UserError if there is no loop.
    """
    state, storage = directory.state(), directory.storage
    rounds = [_round(directory, each) for each in state.rounds]
    labellings = _labellings(directory, state.rounds)
    html = render_page(
        "loop.html",
        name=directory.path.name,
        state=state,
        rounds=rounds,
        labellings=labellings,
        scores=list(dict.fromkeys(name for each in labellings for name in each.figures.scores)),
        sources=list(dict.fromkeys(each.name for one in labellings for each in one.figures.sources)),
        quality=_quality(rounds),
        acceptance=_over_rounds(
            labellings, "acceptance", lambda of: 100 * of.kept / max(of.candidates, 1), "percent"
        ),
        kept_minutes=_over_rounds(
            labellings,
            "yield",
            lambda of: 60 * of.kept_seconds / max(of.audio_seconds, 1e-9),
            "kept minutes an hour",
        ),
        examples=_examples(storage),
        settings=json.dumps(json.loads(state.settings), indent=2),
        ALL=ALL,
    )
    storage.replace(PAGE, html.encode())
    return f"{storage.root}/{PAGE}"


def _round(directory: LoopDirectory, state: RoundState) -> RoundView:
    storage = directory.storage
    evaluation = directory.name(state.number, EVALUATION_FILE)
    training = directory.name(state.number, f"{TRAIN_FOLDER}/{PAGE}")
    return RoundView(
        state=state,
        evaluation=json.loads(storage.read(evaluation)) if storage.exists(evaluation) else None,
        training_page=training if storage.exists(training) else None,
    )


def _labellings(directory: LoopDirectory, rounds: Sequence[RoundState]) -> list[Labelling]:
    """Of the labelling runs that are finished, each with what changed since the one before."""
    of_separator: dict[int, list[int]] = {}
    for each in rounds:
        of_separator.setdefault(each.labelled_by, []).append(each.number)
    found: list[Labelling] = []
    earlier: RunDirectory | None = None
    with Progress("Counting labels", total=len(of_separator), unit="runs") as progress:
        for separator, numbers in of_separator.items():
            name = directory.name(numbers[0], LABEL_FOLDER)
            if directory.storage.exists(f"{name}/{SUMMARY_FILE}"):
                run = RunDirectory.at(directory.path / name)
                if not directory.storage.exists(f"{name}/{PAGE}"):
                    write_report(directory.path / name)
                change = change_between(earlier, run) if earlier else None
                figures = label_figures(run)
                found.append(Labelling(tuple(numbers), separator, figures, change, f"{name}/{PAGE}"))
                earlier = run
            progress.update(len(found))
    return found


def _quality(rounds: Sequence[RoundView]) -> Markup | None:
    """What separators gain on the gate set, of all and by category."""
    gains: dict[str, list[tuple[float, float]]] = {}
    for each in rounds:
        if each.evaluation:
            compared = [("new", each.state.number)]
            if not gains:
                compared.insert(0, ("old", each.state.labelled_by))
            for which, number in compared:
                for group, estimate in each.evaluation[which].items():
                    gains.setdefault(group, []).append((number, estimate["value"]))
    return _drawn(gains, "SI-SDR improvement, dB") if gains else None


def _over_rounds(
    labellings: Sequence[Labelling], name: str, figure: Callable[[LabelFigures], float], unit: str
) -> Markup | None:
    """A figure of the labels that each round trained on."""
    points = [(float(number), figure(each.figures)) for each in labellings for number in each.rounds]
    return _drawn({name: sorted(points)}, unit) if points else None


def _drawn(lines: dict[str, list[tuple[float, float]]], y_title: str) -> Markup:
    drawn = [Line(name, tuple(points)) for name, points in lines.items()]
    return Markup(draw_lines(drawn, "round", y_title))  # noqa: S704


def _examples(storage: Storage) -> list[ExampleView]:
    """What was written for listening, with spectrograms beside it."""
    found = []
    for folder in storage.folders(EXAMPLES_FOLDER):
        place = f"{EXAMPLES_FOLDER}/{folder}"
        flacs = {
            name.rpartition("/")[2].removesuffix(".flac"): name for name in storage.files(place, ".flac")
        }
        names = ["mixture", "truth", *sorted(flacs.keys() - {"mixture", "truth"})]
        sounds = [decode_flac(storage.read(flacs[name])) for name in names]
        rate = sounds[0][1]
        stems = []
        images = spectrogram_images([waveform for waveform, _ in sounds], rate)
        for name, image in zip(names, images, strict=True):
            picture = f"{place}/{name}.png"
            storage.replace(picture, image)
            shown = separator_name(int(name)) if name.isdigit() else name
            stems.append(Heard(shown, flacs[name], picture))
        prompt = storage.read(f"{place}/prompt.txt").decode()
        found.append(ExampleView(prompt, len(sounds[0][0]) / rate, tuple(stems)))
    return found
