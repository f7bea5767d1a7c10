"""The report page of a run: `report.html`, and beside it `report/` with audio, images and figures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataengine.engine.storage import Storage
from dataengine.models.roles import ModelCard
from dataengine.report.cost import Cost, cost_of
from dataengine.report.criteria_checks import Check, checks_of
from dataengine.report.examples import ExampleGroup, choose_examples
from dataengine.report.funnel import Funnel, funnel_of
from dataengine.report.histogram import Histogram, histograms_of
from dataengine.report.histogram_drawing import draw
from dataengine.report.rendering import render_page
from dataengine.report.run_directory import RunDirectory
from dataengine.report.spectrogram import spectrogram_images
from dataengine.report.speed import Speed, speed_of
from dataengine.report.stored_audio import StoredAudio
from dataengine.report.tallies import (
    Failure,
    Headline,
    Labels,
    SourceLicence,
    failures_of,
    headline_of,
    labels_of,
    models_of,
    source_licences_of,
)
from dataengine.yaml_source import dump_yaml
from manifests.progress import Progress

PAGE = "report.html"
ASSETS = "report"
FIGURES = f"{ASSETS}/figures.json"
EXAMPLES_A_GROUP = 6


@dataclass(frozen=True)
class StemView:
    """One stem of an example, as files below the run directory."""

    name: str
    audio: str
    image: str


@dataclass(frozen=True)
class ExampleView:
    """A sample as the page shows it."""

    row: dict[str, Any]
    stems: tuple[StemView, ...]
    seconds: float
    checks: tuple[Check, ...]

    @property
    def failed(self) -> list[str]:
        """Names of the criteria it failed."""
        return list(self.row["failed_criteria"] or [])


@dataclass(frozen=True)
class ExampleSection:
    """Examples that are shown together."""

    name: str
    title: str
    about: str
    examples: tuple[ExampleView, ...]


@dataclass(frozen=True)
class Figures:
    """All numbers of the page."""

    run: str
    headline: Headline
    funnel: Funnel
    histograms: list[Histogram]
    labels: Labels
    speed: Speed
    cost: Cost
    failures: list[Failure]
    models: list[ModelCard]
    source_licences: list[SourceLicence]


COUNTERS: dict[str, Callable[[RunDirectory], Any]] = {
    "headline": headline_of,
    "funnel": funnel_of,
    "histograms": histograms_of,
    "labels": labels_of,
    "speed": speed_of,
    "cost": cost_of,
    "failures": failures_of,
    "models": models_of,
    "source_licences": source_licences_of,
}
"""What fills each field of `Figures`."""


def write_report(
    run_dir: str | Path,
    *,
    examples: int = EXAMPLES_A_GROUP,
    seed: int = 0,
) -> str:
    """Write the report of a finished run into its directory; an earlier report is replaced.

    Args:
        run_dir: the run.
        examples: samples to listen to in each of the four groups.
        seed: of the draw of examples.

    Returns:
        The path or URL of `report.html`. It and the folder `report/` beside it can be moved together.

    Raises:
        UserError: there is no run, or none of its slices is done yet.
    """
    run = RunDirectory.at(run_dir)
    figures = figures_of(run)
    groups = choose_examples(run, examples, seed)
    assets = _Assets(run.storage)
    sections = _sections(run, groups, assets)
    html = render(run, figures, sections)
    run.storage.replace(FIGURES, json.dumps(asdict(figures), indent=1).encode())
    run.storage.replace(PAGE, html.encode())
    assets.remove_others(keep={FIGURES})
    return f"{run.storage.root}/{PAGE}"


def figures_of(run: RunDirectory) -> Figures:
    """Count everything the page shows."""
    counted: dict[str, Any] = {}
    with Progress("counting", total=len(COUNTERS), unit="tables") as progress:
        for name, counter in COUNTERS.items():
            counted[name] = counter(run)
            progress.update(len(counted))
    return Figures(run=run.name, **counted)


def render(run: RunDirectory, figures: Figures, sections: list[ExampleSection]) -> str:
    """The page. Whatever comes from a table or a file is escaped."""
    return render_page(
        "report.html",
        run=run,
        facts=run.facts,
        identity=dump_yaml(run.facts["pipeline"]),
        figures=figures,
        drawings=[draw(histogram) for histogram in figures.histograms],
        sections=sections,
    )


class _Assets:
    """Writes files of examples, and knows which it wrote."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._audio = StoredAudio(storage)
        self._written: set[str] = set()

    def write(self, row: dict[str, Any]) -> tuple[tuple[StemView, ...], float]:
        """Audio and spectrogram of each stem of a sample, and its length in seconds."""
        stems = self._audio.stems(row)
        name = re.sub(r"[^0-9a-f]", "", row["sample_id"])
        views = []
        images = spectrogram_images([stem.waveform for stem in stems], stems[0].sample_rate) if stems else []
        for stem, image in zip(stems, images, strict=True):
            base = f"{ASSETS}/{name}.{stem.name}"
            views.append(
                StemView(stem.name, self._put(f"{base}.flac", stem.content), self._put(f"{base}.png", image))
            )
        return tuple(views), len(stems[0].waveform) / stems[0].sample_rate if stems else 0.0

    def remove_others(self, keep: set[str]) -> None:
        """Remove what an earlier report left."""
        for name in list(self._storage.files(ASSETS)):
            if name not in self._written | keep:
                self._storage.remove(name)

    def _put(self, name: str, content: bytes) -> str:
        self._storage.replace(name, content)
        self._written.add(name)
        return name


def _sections(run: RunDirectory, groups: list[ExampleGroup], assets: _Assets) -> list[ExampleSection]:
    sections, done = [], 0
    with Progress("examples", total=sum(len(group.rows) for group in groups), unit="samples") as progress:
        for group in groups:
            examples = []
            for row in group.rows:
                stems, seconds = assets.write(row)
                examples.append(ExampleView(row, stems, seconds, tuple(checks_of(row, run.criteria))))
                done += 1
                progress.update(done)
            sections.append(ExampleSection(group.name, group.title, group.about, tuple(examples)))
    return sections
